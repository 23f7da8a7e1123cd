"""The fabric of the planet's towns: city blocks, arterials that run on, and as much light as documented."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from nightlights.grid import Window
from nightlights.places import search
from nightlights.planet.built import built
from nightlights.planet.lattice import BLOCK, RIM, VIIRS_PER_BLOCK, Block
from nightlights.planet.radiance import radiance
from nightlights.sources.simulated import SimulatedSource

DOCUMENT = Path(__file__).parent.parent / "docs" / "planet.md"
TOWNS = ((15.30, -4.42), (36.80, -1.25), (-97.36, 37.72), (2.40, 48.90))
BORDERS = (*TOWNS, (31.25, 30.05), (24.93, 60.20))
DISTRICT, PART = 16, 4


def around(longitude: float, latitude: float, pixels: int) -> Window:
    """A square of ``pixels`` VIIRS pixels around a place."""
    corner = Window.covering(longitude, latitude, longitude + 1e-4, latitude + 1e-4)
    return Window(corner.column - pixels // 2, corner.row - pixels // 2, pixels, pixels)


def spread_within_districts(image: NDArray[np.float32]) -> float:
    """Median, over squares of 460 m, of the standard deviation of the medians of 115 m."""
    count = image.shape[0] // PART
    parts = image.reshape(count, PART, count, PART).swapaxes(1, 2).reshape(count, count, -1)
    medians = np.median(parts, axis=-1)
    many, few = count // PART, DISTRICT // PART
    squares = medians.reshape(many, few, many, few).swapaxes(1, 2).reshape(many * many, -1)
    return float(np.median(squares.std(axis=-1)))


@pytest.mark.parametrize("place", TOWNS)
def test_neither_daylight_nor_light_is_one_tone_within_a_district(place: tuple[float, float]) -> None:
    source, window = SimulatedSource(1), around(*place, 8)
    red, light = source.daytime(window)[3], np.log(source.truth(window))
    # Version 1, whose districts had one tone each: 0.02 to 0.05 and 0.23 to 0.39.
    assert spread_within_districts(red / red.mean()) > 0.055
    assert spread_within_districts(light) > 0.42


def block_at(longitude: float, latitude: float) -> Block:
    window = around(longitude, latitude, 2)
    return Block(window.row // VIIRS_PER_BLOCK, window.column // VIIRS_PER_BLOCK, 1)


@pytest.mark.parametrize("place", BORDERS)
def test_streets_and_light_go_on_across_the_borders_of_blocks(place: tuple[float, float]) -> None:
    here = block_at(*place)
    place_here, strip = built(here), 2 * RIM
    for down, across in ((1, 0), (0, 1)):
        there = Block(here.row + down, here.column + across, here.seed)
        place_there = built(there)
        for one, other in (
            (place_here.main_street, place_there.main_street),
            (
                place_here.main_street * place_here.main_lamps,
                place_there.main_street * place_there.main_lamps,
            ),
            (place_here.street, place_there.street),
            (radiance(here, place_here), radiance(there, place_there)),
        ):
            end, start = (one[-strip:], other[:strip]) if down else (one[:, -strip:], other[:, :strip])
            same = np.isclose(end, start, rtol=1e-2, atol=2e-3)
            # A city block whose number lies on a threshold may be of two kinds.
            assert same.mean() > 0.99


@pytest.mark.parametrize("place", TOWNS)
def test_lit_arterials_run_on_through_a_town(place: tuple[float, float]) -> None:
    here = block_at(*place)
    mains = np.zeros((2 * BLOCK, 2 * BLOCK), bool)
    for down in (0, 1):
        for across in (0, 1):
            part = built(Block(here.row + down, here.column + across, here.seed))
            lit = (part.main_street > 0.12) & (part.main_lamps > 0.1)
            rows, columns = (slice(k * BLOCK, (k + 1) * BLOCK) for k in (down, across))
            mains[rows, columns] = lit[RIM:-RIM, RIM:-RIM]
    numbers, count = ndimage.label(mains, np.ones((3, 3)))
    assert count > 0
    extents = [max(part.stop - part.start for part in found) for found in ndimage.find_objects(numbers)]
    # Nearly eight kilometres, over the border of two blocks.
    assert max(extents) > 1.05 * BLOCK


def documented() -> list[tuple[str, float]]:
    """Names of cities and their mean radiance in nW/cm2/sr, from the table of docs/planet.md."""
    lines = DOCUMENT.read_text(encoding="utf-8").split("| City |")[1].splitlines()[2:]
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return [(row[0], float(row[2])) for row in cells]


def test_cities_are_as_bright_as_documented() -> None:
    source, table = SimulatedSource(1), documented()
    assert len(table) == 10
    for name, expected in table:
        place = search(name, 1)[0]
        light = float(source.nighttime(around(place.longitude, place.latitude, 32)).mean())
        assert light == pytest.approx(expected, rel=0.01), name
