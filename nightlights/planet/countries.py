"""How countries differ: light for the same density, wealth, electricity, crowding, and street plans.

Rounded from what is commonly known of them for the sake of plausible contrasts; not statistics.
"""

import functools
import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """Traits of a country on the simulated planet.

    Attributes
    ----------
    brightness:
        Light for the same density, 1 for a middling country.
    wealth:
        0 (poor) to 1 (rich): housing, trees, paved roads.
    electrified:
        Share of small settlements with any light.
    crowding:
        People per square kilometre of built-up land.
    grid:
        0 (grown) to 1 (planned): how regular the main streets are.
    rural:
        0 (empty) to 1 (dense): how many villages there are.
    """

    brightness: float
    wealth: float
    electrified: float
    crowding: float
    grid: float
    rural: float


_RICH_SPRAWL = Country(1.5, 0.95, 1.0, 1700, 0.95, 0.25)
_RICH_DENSE = Country(0.85, 0.9, 1.0, 3600, 0.2, 0.65)
_GULF = Country(2.3, 0.85, 0.98, 4000, 0.7, 0.1)
_MIDDLE = Country(1.0, 0.55, 0.95, 6000, 0.5, 0.45)
_DENSE_MIDDLE = Country(0.85, 0.5, 0.95, 7500, 0.35, 0.8)
_LOWER = Country(0.6, 0.3, 0.75, 9000, 0.3, 0.8)
_POOR = Country(0.42, 0.15, 0.35, 11000, 0.25, 0.55)
_POOREST = Country(0.28, 0.06, 0.15, 13000, 0.2, 0.45)

_GROUPS = {
    "US CA AU NZ": _RICH_SPRAWL,
    "GB FR DE NL BE LU CH AT IT ES PT SE NO FI DK IE JP KR SG TW IL IS MT CY SI": _RICH_DENSE,
    "SA AE KW QA BH OM BN": _GULF,
    "MX BR AR CL UY CO VE EC PE PA CR DO CU ZA RU UA BY KZ TR IR IQ DZ LY TN TH MY RO HU PL CZ SK": _MIDDLE,
    "BG GR HR RS EE LV LT BA AL MK GE AM AZ JO LB BW NA GA MU SR GY PY BO JM TT MN TM UZ MD ME KG": _MIDDLE,
    "CN EG VN PH ID LK MA SY": _DENSE_MIDDLE,
    "IN PK BD GH NG CI SN CM KE HN GT NI SV AO KH MM LA NP CG ZW ZM SD MR PG YE TJ DJ": _LOWER,
    "ET TZ UG RW MZ MW MG ML BF NE BJ TG GN GM LR SL GW HT AF LS SZ ER KM TL": _POOR,
    "CD CF TD SS BI SO KP": _POOREST,
}

# Where one figure differs much from its group's.
_BRIGHTNESS = {
    "US": 1.8, "CA": 1.7, "DE": 0.6, "FR": 0.85, "IT": 1.15, "ES": 1.2, "FI": 1.3, "EG": 1.5, "RU": 1.35,
    "VE": 1.3, "IN": 0.7, "NG": 0.55, "CN": 0.9, "JP": 0.85, "KP": 0.08, "CD": 0.3, "CG": 0.5, "IR": 1.5,
    "IQ": 1.6, "LY": 1.6, "DZ": 1.3, "PK": 0.6, "KE": 0.5, "ET": 0.35, "GH": 0.7, "ZA": 1.2,
}  # fmt: skip

FLARING = frozenset(
    ("AE", "AO", "AZ", "CG", "DZ", "EG", "GA", "ID", "IQ", "IR", "KW", "KZ", "LY", "MX", "MY", "NG", "OM")
) | {"QA", "RU", "SA", "TM", "US", "UZ", "VE"}
"""Countries where gas is flared."""


@functools.cache
def country(code: str) -> Country:
    """The traits of a country by its ISO 3166-1 alpha-2 code; a hash of the code where it is not listed."""
    for codes, traits in _GROUPS.items():
        if code in codes.split():
            return Country(
                _BRIGHTNESS.get(code, traits.brightness * (0.85 + 0.3 * _share(code))),
                traits.wealth,
                traits.electrified,
                traits.crowding,
                traits.grid,
                traits.rural,
            )
    share = _share(code)
    return Country(0.4 + 0.9 * share, 0.2 + 0.6 * share, 0.5 + 0.5 * share, 9000 - 5000 * share, share, 0.4)


def _share(code: str) -> float:
    return zlib.crc32(code.encode()) % 1000 / 999
