"""Regions to begin with.

The study (``Earth at Night in HD``) trained on eight cities of Africa or of the United States and judged
the result on Abuja and Nairobi, but names only the latter two. The eight of each list are our choice:
large cities in different climates and countries, far from the cities that judge. Kinshasa-Brazzaville is
the study's own rectangle.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shapely import box

from nightlights.errors import RegionError
from nightlights.regions import Region, RegionCollection

if TYPE_CHECKING:
    from nightlights.manifests import Role

_Place = tuple[str, float, float]

# Name, longitude and latitude in degrees of the city centre.
_AFRICA: tuple[_Place, ...] = (
    ("lagos", 3.38, 6.52),
    ("accra", -0.19, 5.62),
    ("dakar", -17.40, 14.74),
    ("addis-ababa", 38.76, 9.01),
    ("dar-es-salaam", 39.24, -6.82),
    ("luanda", 13.27, -8.88),
    ("khartoum", 32.54, 15.58),
    ("johannesburg", 28.05, -26.18),
)
_UNITED_STATES: tuple[_Place, ...] = (
    ("atlanta", -84.39, 33.76),
    ("chicago", -87.75, 41.85),
    ("dallas", -96.85, 32.80),
    ("denver", -104.97, 39.74),
    ("houston", -95.40, 29.76),
    ("los-angeles", -118.20, 34.02),
    ("phoenix", -112.05, 33.48),
    ("philadelphia", -75.16, 39.98),
)
_EVALUATE: tuple[_Place, ...] = (("abuja", 7.46, 9.06), ("nairobi", 36.84, -1.28))

_SIDE_DEGREES = 0.4
_DEMO_SIDE_DEGREES = 0.2


def _squares(places: Sequence[_Place], role: "Role", side: float) -> tuple[Region, ...]:
    half = side / 2
    return tuple(
        Region(name, role, box(longitude - half, latitude - half, longitude + half, latitude + half))
        for name, longitude, latitude in places
    )


def _presets() -> tuple[RegionCollection, ...]:
    evaluate = _squares(_EVALUATE, "evaluate", _SIDE_DEGREES)
    return (
        RegionCollection(
            "africa",
            _squares(_AFRICA, "train", _SIDE_DEGREES) + evaluate,
            "Eight cities of Africa",
            "Train on Lagos, Accra, Dakar, Addis Ababa, Dar es Salaam, Luanda, Khartoum and "
            "Johannesburg; evaluate on Abuja and Nairobi.",
        ),
        RegionCollection(
            "united-states",
            _squares(_UNITED_STATES, "train", _SIDE_DEGREES) + evaluate,
            "Eight cities of the United States",
            "Train on Atlanta, Chicago, Dallas, Denver, Houston, Los Angeles, Phoenix and "
            "Philadelphia; evaluate on Abuja and Nairobi.",
        ),
        RegionCollection(
            "kinshasa-brazzaville",
            (Region("kinshasa-brazzaville", "predict", box(15.02, -4.54, 15.52, -4.04)),),
            "Kinshasa and Brazzaville",
            "The study's rectangle for prediction, with the island and the rapids of the Congo.",
        ),
        RegionCollection(
            "demo",
            _squares(_AFRICA[:6], "train", _DEMO_SIDE_DEGREES)
            + _squares(_EVALUATE, "evaluate", _DEMO_SIDE_DEGREES)
            + _squares((("kinshasa", 15.28, -4.30),), "predict", _DEMO_SIDE_DEGREES),
            "Small squares for a quick try",
            "Six training cities of Africa, Abuja and Nairobi to evaluate, Kinshasa to predict; "
            "0.2° a side, for machines without a GPU.",
        ),
    )


PRESETS: dict[str, RegionCollection] = {preset.name: preset for preset in _presets()}
"""Region collections to begin with, by name."""


def combined(names: Sequence[str], name: str) -> RegionCollection:
    """The regions of several presets as one collection; a region that two of them share comes once.

    Raises
    ------
    RegionError
        When a preset is unknown, or two presets have different regions of one name.
    """
    regions: dict[str, Region] = {}
    for preset in names:
        if preset not in PRESETS:
            raise RegionError(
                f"There is no preset {preset[:80]!r}.", f"Choose from {', '.join(sorted(PRESETS))}."
            )
        for region in PRESETS[preset]:
            if regions.setdefault(region.name, region) != region:
                raise RegionError(
                    f"Two of these presets have different regions named {region.name}.", "Use one of them."
                )
    titles = ", ".join(PRESETS[preset].title for preset in names)
    return RegionCollection(name, tuple(regions.values()), titles)
