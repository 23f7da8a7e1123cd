"""Presets: every one can be exported as it is."""

import pytest

from nightlights.errors import RegionError
from nightlights.presets import PRESETS, combined
from nightlights.region_checks import check_regions
from nightlights.settings import Settings


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_passes_every_check(name: str) -> None:
    preset = PRESETS[name]
    assert preset.name == name
    assert preset.title
    assert preset.description
    assert check_regions(preset.regions, Settings()) == []


@pytest.mark.parametrize("name", ["africa", "united-states"])
def test_the_study_trains_on_eight_cities_and_evaluates_on_abuja_and_nairobi(name: str) -> None:
    assert len(PRESETS[name].with_role("train")) == 8
    assert [region.name for region in PRESETS[name].with_role("evaluate")] == ["abuja", "nairobi"]


def test_the_rectangle_for_prediction_is_the_study_s() -> None:
    (region,) = PRESETS["kinshasa-brazzaville"]
    assert region.role == "predict"
    assert region.geometry.bounds == (15.02, -4.54, 15.52, -4.04)


def test_all_presets_of_the_study_work_together() -> None:
    collection = combined(["africa", "united-states", "kinshasa-brazzaville"], "study")
    assert len(collection) == 8 + 8 + 2 + 1
    assert check_regions(collection.regions, Settings()) == []


def test_presets_that_disagree_or_are_unknown_are_refused() -> None:
    with pytest.raises(RegionError, match="different regions named lagos"):
        combined(["africa", "demo"], "both")
    with pytest.raises(RegionError, match=r"no preset 'europe'. Choose from africa, demo"):
        combined(["europe"], "x")
