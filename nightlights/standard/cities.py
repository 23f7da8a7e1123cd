"""Which cities belong to the standard test set, and which may choose settings.

Three splits that share no city. **Test** cities judge methods and nothing else: whoever chooses a setting
by them has no test set any more. **Validation** cities choose settings. **Training** cities fit the
baselines where the data that a model was trained on is not at hand.
"""

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from shapely import box

from nightlights.regions import Region

if TYPE_CHECKING:
    from nightlights.manifests import Role

STANDARD_VERSION: Final = 1
"""Counts changes of the cities, their windows or the planets: scores of two versions cannot be compared."""

PLANET_SEEDS: Final = (1, 2)
"""Planets on which every city is looked at: the usual one, and one that no preset trains on."""

SIDE_DEGREES: Final = 1 / 6
"""Side of each city's square: 40 VIIRS pixels."""

Split = Literal["test", "validation", "training"]
Group = Literal["Africa", "United States", "elsewhere"]
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
"""Continents that the presets train on, and cities of continents that none of them has seen."""


class City(NamedTuple):
    """A city of the standard sets.

    Attributes
    ----------
    name:
        Its region's name.
    group:
        Where it lies.
    longitude, latitude:
        Of the centre of its square, degrees of EPSG:4326.
    """

    name: str
    group: Group
    longitude: float
    latitude: float

    def region(self, role: "Role") -> Region:
        """Its square."""
        half = SIDE_DEGREES / 2
        west, south = self.longitude - half, self.latitude - half
        return Region(self.name, role, box(west, south, west + SIDE_DEGREES, south + SIDE_DEGREES))


_CITIES: Final[dict[Split, tuple[City, ...]]] = {
    "test": (
        City("kano", "Africa", 8.52, 12.00),
        City("kampala", "Africa", 32.58, 0.32),
        City("bamako", "Africa", -7.98, 12.61),
        City("lusaka", "Africa", 28.29, -15.41),
        City("minneapolis", "United States", -93.26, 44.98),
        City("seattle", "United States", -122.33, 47.61),
        City("new-orleans", "United States", -90.08, 29.95),
        City("kansas-city", "United States", -94.58, 39.10),
        City("lima", "elsewhere", -77.03, -12.04),
        City("hanoi", "elsewhere", 105.84, 21.02),
        City("madrid", "elsewhere", -3.70, 40.42),
        City("nagpur", "elsewhere", 79.08, 21.15),
    ),
    "validation": (
        City("abuja", "Africa", 7.46, 9.06),
        City("nairobi", "Africa", 36.84, -1.28),
        City("salt-lake-city", "United States", -111.89, 40.76),
        City("saint-louis", "United States", -90.20, 38.63),
        City("bogota", "elsewhere", -74.08, 4.61),
        City("bucharest", "elsewhere", 26.11, 44.43),
    ),
    "training": (
        City("lagos", "Africa", 3.38, 6.52),
        City("accra", "Africa", -0.19, 5.62),
        City("johannesburg", "Africa", 28.05, -26.18),
        City("atlanta", "United States", -84.39, 33.76),
        City("chicago", "United States", -87.75, 41.85),
        City("phoenix", "United States", -112.05, 33.48),
    ),
}


def cities_of(split: Split) -> tuple[City, ...]:
    """The cities of ``split``."""
    return _CITIES[split]
