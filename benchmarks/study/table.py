"""The study's table of results, as published, and the regions that stand for its own.

The study (``Earth at Night in HD``, notebook of December 2023) gives no unit with its RMSE, and says that
training RMSE was lower than evaluation RMSE where its table has the opposite in the first twelve rows. It
names neither its training regions nor their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from shapely import box

from nightlights.presets import PRESETS
from nightlights.regions import Region
from nightlights.training_settings import Optimizer

RegionSize = Literal["small", "large"]
Continent = Literal["Africa", "United States"]


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One training run of the study.

    Attributes
    ----------
    row:
        Its number in the table, from 1.
    dataset:
        The study's name of the data.
    continent:
        Where its regions lie.
    region_size:
        The study's word for the size of a region; it gives no kilometres.
    regions:
        Number of training regions.
    samples:
        Training patches of 256 x 256 pixels in all regions together, as the study believed.
    batch_size:
        Patches.
    learning_rate, optimizer, epochs:
        As named.
    seconds:
        Training time where the study gives it.
    evaluation_rmse, train_rmse:
        As published, without a unit.
    """

    row: int
    dataset: str
    continent: Continent
    region_size: RegionSize
    regions: int
    samples: int
    batch_size: int
    learning_rate: float
    optimizer: Optimizer
    epochs: int
    seconds: int | None
    evaluation_rmse: float
    train_rmse: float

    @property
    def patches_per_region(self) -> int:
        """Patches in the file of one region."""
        return self.samples // self.regions


# The first dataset's continent is not said; its region count is one more than the other small ones have.
_ROWS: Final = (
    ("unit_viirs", "Africa", "small", 9, 900, 18, 0.01, "SGD", 5, None, 1.796, 2.591),
    ("unit_viirs", "Africa", "small", 9, 900, 18, 0.01, "SGD", 10, None, 1.878, 2.659),
    ("unit_viirs", "Africa", "small", 9, 900, 18, 0.01, "SGD", 50, None, 1.960, 2.764),
    ("viirs_usa", "United States", "large", 8, 8000, 160, 0.01, "SGD", 50, None, 1.554, 2.489),
    ("viirs_africa", "Africa", "large", 8, 8000, 160, 0.01, "SGD", 1, 120, 1.725, 2.485),
    ("viirs_africa", "Africa", "large", 8, 8000, 160, 0.01, "SGD", 20, 900, 1.545, 2.184),
    ("viirs_africa", "Africa", "large", 8, 8000, 160, 0.01, "SGD", 50, 2388, 1.542, 2.178),
    ("viirs_africa_small", "Africa", "small", 8, 800, 16, 0.01, "SGD", 1, 30, 1.648, 2.380),
    ("viirs_africa_small", "Africa", "small", 8, 800, 16, 0.01, "SGD", 5, 45, 1.554, 2.240),
    ("viirs_africa_small", "Africa", "small", 8, 800, 16, 0.01, "SGD", 20, 149, 1.504, 2.224),
    ("viirs_africa_small", "Africa", "small", 8, 800, 16, 0.01, "SGD", 50, 300, 1.508, 2.221),
    ("viirs_africa_small_adam", "Africa", "small", 8, 800, 16, 0.01, "Adam", 50, None, 1.752, 2.192),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 960, 0.01, "SGD", 1, 107, 1.748, 0.446),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 960, 0.01, "SGD", 5, None, 1.870, 0.379),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 160, 0.01, "SGD", 2, 706, 1.742, 0.345),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 960, 0.001, "SGD", 5, 320, 1.702, 0.476),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 48, 0.01, "SGD", 1, 1260, 1.505, 0.337),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 48, 0.01, "SGD", 2, 2243, 1.490, 0.329),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 960, 0.1, "SGD", 5, 322, 1.890, 0.407),
    ("viirs_africa_big", "Africa", "large", 24, 48000, 48, 0.01, "SGD", 20, 6000, 1.655, 0.277),
)

STUDY_ROWS: Final[tuple[StudyRow, ...]] = tuple(
    StudyRow(number, *values)  # type: ignore[arg-type]
    for number, values in enumerate(_ROWS, start=1)
)
"""The twenty rows in the order of the table."""

# Our choice: sixteen more cities, small towns at the end, none of them a standard test city.
_MORE_AFRICA: Final = (
    ("abidjan", -4.01, 5.34),
    ("ouagadougou", -1.53, 12.37),
    ("niamey", 2.11, 13.51),
    ("lome", 1.22, 6.14),
    ("cotonou", 2.42, 6.37),
    ("yaounde", 11.52, 3.87),
    ("libreville", 9.45, 0.39),
    ("lubumbashi", 27.48, -11.66),
    ("harare", 31.05, -17.83),
    ("maputo", 32.58, -25.95),
    ("antananarivo", 47.52, -18.88),
    ("mombasa", 39.66, -4.05),
    ("mwanza", 32.90, -2.52),
    ("hargeisa", 44.06, 9.56),
    ("gao", -0.04, 16.27),
    ("bertoua", 13.68, 4.58),
)


def study_regions(row: StudyRow, train_side: float, evaluate_side: float) -> list[Region]:
    """Squares that stand for the regions of ``row``: its training regions in order, then Abuja and Nairobi.

    The first eight are those of the preset of its continent.

    Parameters
    ----------
    train_side, evaluate_side:
        Sides of the squares in degrees.
    """
    preset = PRESETS["africa" if row.continent == "Africa" else "united-states"]
    first = [(region.name, *_centre(region)) for region in preset if region.role == "train"]
    judges = [(region.name, *_centre(region)) for region in preset if region.role == "evaluate"]
    return [
        *_squares([*first, *_MORE_AFRICA][: row.regions], "train", train_side),
        *_squares(judges, "evaluate", evaluate_side),
    ]


def _centre(region: Region) -> tuple[float, float]:
    west, south, east, north = region.geometry.bounds
    return (west + east) / 2, (south + north) / 2


def _squares(
    places: Sequence[tuple[str, float, float]], role: Literal["train", "evaluate"], side: float
) -> list[Region]:
    half = side / 2
    return [
        Region(name, role, box(longitude - half, latitude - half, longitude + half, latitude + half))
        for name, longitude, latitude in places
    ]
