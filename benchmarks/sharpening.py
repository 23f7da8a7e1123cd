"""Time of sharpening beside that of predicting the same pixels, both on one core.

    OPENBLAS_NUM_THREADS=1 python benchmarks/sharpening.py [--model MODEL_FOLDER] [--sides 41 125]

The prior is a simulated city at the equator and one at 44 degrees, with streets in the wrong places, and the
measurement has the simulated planet's noise. With a model, the ratio to its prediction is printed.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nightlights.grid import Window
from nightlights.noise import SIMULATED
from nightlights.observation import observe
from nightlights.sharpening import Agreement, sharpen

ROWS = {"equator": 18_000, "44 degrees": 7_440}


def city(window: Window, seed: int, shifted: int = 0) -> NDArray[np.float32]:
    """Streets and roofs around a centre, in nW/cm2/sr; ``shifted`` by some pixels."""
    generator = np.random.default_rng(seed)
    centre = gaussian_filter(generator.normal(size=window.fine_shape).astype(np.float32), 60)
    level = 20 * np.exp(centre / centre.std() - 0.5)
    texture = generator.gamma(0.5, 2.0, window.fine_shape).astype(np.float32)
    light: NDArray[np.float32] = np.roll(level * texture + 0.2, shifted, axis=1).astype(np.float32)
    return light


def seconds(window: Window) -> tuple[float, float, float]:
    """Processor time in s, chi-square a VIIRS pixel and the share of pixels within two sigma."""
    truth, prior = city(window, 1), city(window, 1, 5)
    seen = observe(truth, window)
    noise = np.random.default_rng(2).normal(size=seen.shape)
    measured = seen + noise * np.hypot(SIMULATED.floor, SIMULATED.share * seen)
    start = time.process_time()
    found = sharpen(prior, measured, window, noise=SIMULATED)
    took = time.process_time() - start
    agreement = Agreement.of(observe(found, window), measured, SIMULATED.sigma(measured))
    return took, agreement.chi_square, agreement.within_two_sigma


def prediction_seconds(model: Path, window: Window) -> float:
    """Processor time in s of predicting ``window`` in tiles of 512 pixels or less, without reading files."""
    from nightlights.prediction import Predictor

    predictor = Predictor.load(model)
    side = min(512, 16 * window.width // 16 * 16)
    bands = len(predictor.config.bands)
    image = np.full((bands, side, side), 0.2, np.float32)
    predictor.radiance(image)
    start = time.process_time()
    predictor.radiance(image)
    return (time.process_time() - start) * window.fine_shape[0] * window.fine_shape[1] / side**2


def main(arguments: list[str]) -> int:
    """Print one row for each window."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[41, 125], help="in VIIRS pixels")
    options = parser.parse_args(arguments)
    print("where       analysis pixels  sharpening s  prediction s  ratio  chi-square  within 2 sigma %")
    for side in options.sides:
        for name, row in ROWS.items():
            window = Window(44_000, row, side, side)
            took, chi_square, within = seconds(window)
            predicted = prediction_seconds(options.model, window) if options.model else float("nan")
            print(
                f"{name:<11} {16 * side:>7} x {16 * side:<5} {took:>13.2f} {predicted:>13.2f} "
                f"{took / predicted:>6.2f} {chi_square:>11.2f} {100 * within:>17.1f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
