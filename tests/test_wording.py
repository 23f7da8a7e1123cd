"""Counts, figures and moments as people read them."""

import time
from datetime import UTC, datetime

import pytest

from nightlights.wording import counted, local_time, rounded


def test_one_of_a_thing_has_no_s() -> None:
    said = [counted(1, "region"), counted(0, "region"), counted(1200, "patch"), counted(1, "patch")]
    assert said == ["1 region", "0 regions", "1,200 patches", "1 patch"]


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("epoch", "epochs"), ("branch", "branches"), ("patch", "patches"), ("bus", "buses"), ("box", "boxes")],
)
def test_plurals_end_as_they_are_spoken(noun: str, plural: str) -> None:
    assert counted(2, noun) == f"2 {plural}"
    assert counted(1, noun) == f"1 {noun}"


@pytest.mark.parametrize(("value", "said"), [(-0.0003, "0.0"), (0.0003, "0.0"), (-0.0006, "-0.001")])
def test_nothing_is_never_negative(value: float, said: str) -> None:
    assert str(rounded(value, 3)) == said


def test_what_is_unknown_stays_unknown() -> None:
    assert rounded(None, 3) is None


def test_moments_are_told_in_the_time_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        assert local_time(datetime(2026, 3, 1, 22, 5, tzinfo=UTC)) == "2026-03-02 01:05"
    finally:
        monkeypatch.undo()
        time.tzset()
