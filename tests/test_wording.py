"""Counts, figures and moments as people read them."""

import time
from datetime import UTC, datetime

import pytest
from shapely import box

from nightlights.interface.region_table import region_rows
from nightlights.noise import Noise
from nightlights.regions import Region
from nightlights.scores import BICUBIC, FineScore, MethodFineScore, ScaleVerdict, SharpeningRecord, Verdict
from nightlights.settings import Settings
from nightlights.wording import area_words, counted, local_time, rounded, sharpening_words


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


def sharpened(*scales: tuple[int, float, float | None, float | None], found: float | None = 0.8) -> list[str]:
    """The words on a region where VIIRS moved up by each factor had this gain, with its interval."""
    tried = [
        ScaleVerdict(factor=factor, gain=gain, lower=lower, upper=upper, pixels=400)
        for factor, gain, lower, upper in scales
    ]
    verdict = Verdict(exponent=0.6, found=found, weight=0.7, scales=tried)
    return sharpening_words(record_of(verdict), [fine("a network", 3.0), fine(BICUBIC, 4.0)])


def record_of(verdict: Verdict | None) -> SharpeningRecord:
    noise = Noise(share=0.05, floor=0.05)
    known = {"chi_square": 1.0, "within_two_sigma": 0.95, "pixels": 400}
    return SharpeningRecord(noise=noise, exponent=0.6, verdict=verdict, **known)


def fine(method: str, rmse: float) -> MethodFineScore:
    none = dict.fromkeys(("ssim", "lit_f1", "lit_precision", "lit_recall"))
    score = FineScore(rmse=rmse, mae=1.0, bias=0.0, lit_from=1.0, pixels=100, **none)
    return MethodFineScore(method=method, sharpened=True, fine=score)


@pytest.mark.parametrize(
    ("scales", "first"),
    [
        (
            [(2, 0.29, 0.1, 0.4), (4, 0.4, 0.2, 0.6), (8, 0.3, -0.1, 0.5), (16, 0.9, None, None)],
            "At 2 and 4 times the scale of VIIRS the picture is better than interpolated VIIRS: "
            "29 % and 40 % less error.",
        ),
        (
            [(2, 0.05, 0.01, 0.1), (4, -0.2, -0.3, -0.1)],
            "At 2 times the scale of VIIRS the picture is better than interpolated VIIRS: 5 % less error. "
            "At 4 times the scale of VIIRS it is worse: 20 % more error.",
        ),
        (
            [(2, -0.2, -0.3, -0.1)],
            "At 2 times the scale of VIIRS the picture is worse than interpolated VIIRS: 20 % more error.",
        ),
        (
            [(2, 0.05, -0.01, 0.1), (4, 0.0, 0.0, 0.0)],
            "No better than interpolated VIIRS was shown: at every scale tested, the 95 % "
            "interval of the gain holds 0.",
        ),
        (
            [(2, 0.5, None, None)],
            "Too little VIIRS here to tell whether the picture is better than interpolated VIIRS: the region "
            "is too small or too dark.",
        ),
    ],
)
def test_the_verdict_begins_with_a_plain_sentence(
    scales: list[tuple[int, float, float | None, float | None]], first: str
) -> None:
    assert sharpened(*scales)[0] == first


def test_every_gain_names_what_it_is_compared_with() -> None:
    lines = sharpened((2, 0.29, 0.1, 0.4))
    assert "VIIRS moved up 2 times: 29 % less error than bicubic VIIRS, sharpened (95 %" in lines[-2]
    assert lines[-1] == "At 30 m, against the truth: 25 % less error than bicubic VIIRS, sharpened."
    assert "from 0 (interpolated VIIRS, sharpened) over 1 (the texture in full) to 1.2" in lines[2]


def test_where_nothing_could_be_tested_the_verdict_claims_nothing() -> None:
    assert sharpened(found=None)[0].startswith("Too little VIIRS here to tell")
    assert "its exponent, from 0 to 1.2, is the usual 0.3" in sharpened(found=None)[2]
    given = sharpening_words(record_of(None))
    assert given[0] == "Not tested here: whether the picture is better than interpolated VIIRS."
    assert given[-1] == "The exponent of its texture is 0.6."


@pytest.mark.parametrize(
    ("km2", "said"),
    [(0.213, "0.21"), (3.449, "3.4"), (9.94, "9.9"), (9.97, "10"), (12.6, "13"), (1234.4, "1,234"), (0, "0")],
)
def test_small_areas_keep_two_digits(km2: float, said: str) -> None:
    assert area_words(km2) == f"{said} km²"


def test_the_table_of_regions_shows_the_area_of_a_small_one() -> None:
    region = Region("small", "predict", box(7.4, 9.0, 7.404, 9.004))
    (area,) = region_rows([region], [], Settings())["area"]
    assert area == 0.2
