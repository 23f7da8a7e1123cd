"""Place search without a network."""

import csv
import gzip
import io
import subprocess
import sys
import time
from importlib import resources

import pytest

from nightlights.places import cities, search


@pytest.mark.parametrize(
    ("text", "name", "country"),
    [
        ("Kinshasa", "Kinshasa", "CD"),
        ("sao p", "São Paulo", "BR"),
        ("SÃO PAULO", "São Paulo", "BR"),
        ("  zurich ", "Zürich", "CH"),
        ("lodz", "Łódź", "PL"),
        ("lagos", "Lagos", "NG"),
        ("Lagos, PT", "Lagos", "PT"),
        ("janeiro", "Rio de Janeiro", "BR"),
        ("new york", "New York City", "US"),
    ],
)
def test_best_match_comes_first(text: str, name: str, country: str) -> None:
    best = search(text)[0]
    assert (best.name, best.country) == (name, country)


def test_prefixes_come_before_later_words_and_large_before_small() -> None:
    found = search("york", limit=50)
    starts = [place.name.lower().startswith("york") for place in found]
    assert starts == sorted(starts, reverse=True)
    assert {True, False} == set(starts)
    people = [place.population for place, start in zip(found, starts, strict=True) if start]
    assert people == sorted(people, reverse=True)


@pytest.mark.parametrize("text", ["", "   ", "--", "qqqqzz", "Lagos, ZZ", ","])
def test_nothing_matches_nothing(text: str) -> None:
    assert search(text) == []


def test_every_row_is_read_as_the_csv_format_says() -> None:
    packed = resources.files("nightlights").joinpath("data/cities.csv.gz").read_bytes()
    rows = list(csv.reader(io.StringIO(gzip.decompress(packed).decode())))[1:]
    assert any("," in row[0] for row in rows)
    assert [[place.name, place.country] for place in cities()] == [row[:2] for row in rows]
    assert [place.population for place in cities()] == [int(row[4]) for row in rows]


def test_limit_is_kept() -> None:
    assert len(search("a", limit=3)) == 3
    assert search("a", limit=0) == []


def test_coordinates_are_where_the_city_is() -> None:
    place = search("Nairobi", 1)[0]
    assert place.longitude == pytest.approx(36.82, abs=0.05)
    assert place.latitude == pytest.approx(-1.28, abs=0.05)
    assert place.population > 2_000_000
    assert len(cities()) > 30_000


def test_search_is_fast_once_loaded() -> None:
    search("x")
    start = time.perf_counter()
    for text in ("k", "sao p", "new", "qqqq"):
        search(text)
    assert (time.perf_counter() - start) / 4 < 0.05


def test_importing_places_loads_no_array_library() -> None:
    code = "import sys, nightlights.places; print('numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
