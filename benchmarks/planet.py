"""Measure how fast the simulated planet is: analysis pixels a second for each of its images.

Run on one core: ``taskset -c 0 python benchmarks/planet.py``.
"""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from nightlights.grid import Window
from nightlights.sources.simulated import SimulatedSource

PLACES = {
    "Kinshasa": (15.31, -4.32),
    "Chicago": (-87.8, 41.85),
    "Sahara": (8.0, 22.0),
    "rural India": (79.5, 22.5),
}
SIDE = 128
"""VIIRS pixels along a side of the window measured; 2048 analysis pixels."""


def seconds(work: Callable[[Window], Any], window: Window) -> float:
    """Processor time of one call, after a small one that fills the caches."""
    work(Window(window.column, window.row, 1, 1))
    start = time.process_time()
    work(window)
    return time.process_time() - start


def main(side: int) -> None:
    """Print a table."""
    source = SimulatedSource(1)
    print(f"{'place':12} {'daytime':>12} {'truth':>12} {'nighttime':>12}   million analysis pixels/s")
    for name, (longitude, latitude) in PLACES.items():
        corner = Window.covering(longitude, latitude, longitude + 1e-4, latitude + 1e-4)
        window = Window(corner.column - side // 2, corner.row - side // 2, side, side)
        pixels = window.fine_shape[0] * window.fine_shape[1] / 1e6
        rates = [pixels / seconds(work, window) for work in (source.daytime, source.truth, source.nighttime)]
        print(f"{name:12} " + " ".join(f"{rate:12.2f}" for rate in rates))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB for windows of {side * 16} x {side * 16} pixels")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIDE)
