"""World cities, and a place search that needs no network.

The table is GeoNames' (CC BY 4.0): cities of about 15,000 people or more; see nightlights/data/README.md.
"""

import functools
import gzip
import unicodedata
from importlib import resources
from typing import NamedTuple


class Place(NamedTuple):
    """A city.

    Attributes
    ----------
    name:
        Its usual name.
    country:
        ISO 3166-1 alpha-2 code of its country.
    longitude, latitude:
        Degrees, EPSG:4326.
    population:
        People.
    """

    name: str
    country: str
    longitude: float
    latitude: float
    population: int


@functools.cache
def cities() -> tuple[Place, ...]:
    """Every city of the table, the most populous first. Read once, on the first call."""
    packed = resources.files("nightlights").joinpath("data/cities.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    # Only names may hold commas, and then stand in quotation marks; this is faster than a csv reader.
    return tuple(
        [
            Place(name.strip('"'), country, float(longitude), float(latitude), int(population))
            for name, country, longitude, latitude, population in (line.rsplit(",", 4) for line in lines[1:])
        ]
    )


def _folded(text: str) -> str:
    """Lower case, without accents, punctuation as single spaces."""
    if not text.isascii():
        # NFKD splits accents off but knows no plain letter for these.
        text = text.translate(_LETTERS)
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(text.casefold().translate(_PUNCTUATION).split())


_LETTERS = str.maketrans({"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "ð": "d"})
_PUNCTUATION = str.maketrans(dict.fromkeys("-'’‘ʻ`.,()/", " "))


@functools.cache
def _folded_names() -> tuple[str, ...]:
    return tuple(_folded(place.name) for place in cities())


def search(text: str, limit: int = 10) -> list[Place]:
    """Cities whose name begins with ``text``, then those with a later word that does.

    Accents, case and punctuation do not matter; both groups are ordered by population. A country code
    may follow a comma, as in "Lagos, NG".

    Parameters
    ----------
    text:
        What the user typed.
    limit:
        Most results.
    """
    name, _, country = text.rpartition(",") if "," in text else (text, "", "")
    code = country.strip().upper()
    if len(code) > 2:
        name, code = text, ""
    wanted = _folded(name)
    if not wanted or limit < 1:
        return []
    inner = " " + wanted
    first: list[Place] = []
    later: list[Place] = []
    for place, folded in zip(cities(), _folded_names(), strict=True):
        if wanted not in folded or not place.country.startswith(code):
            continue
        if folded.startswith(wanted):
            first.append(place)
            if len(first) == limit:
                return first
        elif inner in folded:
            later.append(place)
    return (first + later)[:limit]
