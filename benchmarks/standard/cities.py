"""Which cities belong to the standard test set, and which may choose settings.

Three splits that share no city. **Test** cities judge methods and nothing else: whoever chooses a setting
by them has no test set any more. **Validation** cities choose settings. On **training** cities the models of
the table of targets are trained, on planet 1 alone; they also fit the baselines where the data that a model
was trained on is not at hand.
"""

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from shapely import box

from nightlights.regions import Region

if TYPE_CHECKING:
    from nightlights.manifests import Role

STANDARD_VERSION: Final = 2
"""Counts changes of the cities, their windows or the planets: scores of two versions cannot be compared."""

PLANET_SEEDS: Final = (1, 2)
"""Planets on which every city is looked at: the usual one, and one that no preset trains on."""

TRAINING_PLANET: Final = 1
"""The only planet that anything is trained on."""

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
        City("dakar", "Africa", -17.40, 14.74),
        City("addis-ababa", "Africa", 38.76, 9.01),
        City("dar-es-salaam", "Africa", 39.24, -6.82),
        City("luanda", "Africa", 13.27, -8.88),
        City("khartoum", "Africa", 32.54, 15.58),
        City("johannesburg", "Africa", 28.05, -26.18),
        City("cairo", "Africa", 31.24, 30.05),
        City("casablanca", "Africa", -7.60, 33.57),
        City("algiers", "Africa", 3.06, 36.74),
        City("abidjan", "Africa", -4.02, 5.34),
        City("douala", "Africa", 9.70, 4.05),
        City("harare", "Africa", 31.05, -17.83),
        City("durban", "Africa", 31.02, -29.86),
        City("antananarivo", "Africa", 47.52, -18.91),
        City("atlanta", "United States", -84.39, 33.76),
        City("chicago", "United States", -87.75, 41.85),
        City("dallas", "United States", -96.85, 32.80),
        City("denver", "United States", -104.97, 39.74),
        City("houston", "United States", -95.40, 29.76),
        City("los-angeles", "United States", -118.20, 34.02),
        City("phoenix", "United States", -112.05, 33.48),
        City("philadelphia", "United States", -75.16, 39.98),
        City("miami", "United States", -80.24, 25.79),
        City("boston", "United States", -71.10, 42.36),
        City("las-vegas", "United States", -115.14, 36.17),
        City("portland", "United States", -122.66, 45.52),
        City("nashville", "United States", -86.78, 36.16),
        City("albuquerque", "United States", -106.63, 35.09),
        City("fargo", "United States", -96.80, 46.88),
        City("san-antonio", "United States", -98.49, 29.42),
    ),
}


def cities_of(split: Split) -> tuple[City, ...]:
    """The cities of ``split``."""
    return _CITIES[split]
