"""Scores: sums over pixels, whichever way the pixels were cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from nightlights.errors import DatasetError
from nightlights.metrics import ScoreSums

RADIANCE = st.floats(-5, 500, width=32)


def test_known_errors_give_known_scores() -> None:
    score = ScoreSums().add([1.0, 2.0, 6.0], [2.0, 2.0, 2.0]).add([4.0], [6.0]).score("model", "all", "train")
    assert score.rmse == pytest.approx(np.sqrt((1 + 0 + 16 + 4) / 4))
    assert score.mae == pytest.approx((1 + 0 + 4 + 2) / 4)
    assert score.bias == pytest.approx((-1 + 0 + 4 - 2) / 4)
    assert score.r2 == pytest.approx(1 - 21 / 12)
    assert (score.pixels, score.mean_measured, score.mean_predicted) == (4, 3.0, 3.25)
    assert score.unit == "nW/cm²/sr"


@settings(deadline=None)
@given(
    pairs=arrays(np.float32, st.tuples(st.integers(3, 40), st.just(2)), elements=RADIANCE),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
def test_any_cut_gives_the_score_of_the_whole(pairs: NDArray[np.float32], cuts: list[int]) -> None:
    predicted, measured = pairs.astype(np.float64).T
    sums = ScoreSums()
    for piece in np.split(np.arange(len(pairs)), sorted(cuts)):
        sums = sums.merge(ScoreSums().add(predicted[piece], measured[piece]))
    score = sums.score("model", "all")
    assert score.rmse == pytest.approx(np.sqrt(np.mean((predicted - measured) ** 2)), abs=1e-9)
    assert score.mae == pytest.approx(np.mean(np.abs(predicted - measured)), abs=1e-9)
    assert score.bias == pytest.approx(np.mean(predicted - measured), abs=1e-9)
    assert score.mean_measured == pytest.approx(np.mean(measured), abs=1e-9)
    if np.std(measured) > 1e-3:
        r2 = 1 - np.sum((predicted - measured) ** 2) / np.sum((measured - measured.mean()) ** 2)
        assert score.r2 == pytest.approx(r2, rel=1e-6, abs=1e-9)


def test_unequal_pieces_are_not_averaged_as_equals() -> None:
    sums = ScoreSums().add(np.zeros(99), np.zeros(99)).merge(ScoreSums().add([10.0], [0.0]))
    assert sums.rmse == pytest.approx(1.0)


def test_missing_pixels_do_not_count() -> None:
    nan = float("nan")
    assert ScoreSums().add([1.0, nan, 3.0], [1.0, 5.0, nan]).pixels == 1


def test_r2_is_unknown_where_the_measurement_does_not_vary() -> None:
    # The mean of three times 0.1 is not 0.1 to the last bit.
    flat = np.full(3, 0.1)
    assert ScoreSums().add(flat + 1, flat).add([3.0], [0.1]).score("model", "flat").r2 is None


def test_a_perfect_prediction_scores_perfectly() -> None:
    radiance = np.linspace(1000, 1000.01, 50)
    score = ScoreSums().add(radiance, radiance).score("model", "bright")
    assert (score.rmse, score.mae, score.bias, score.r2) == (0, 0, 0, 1)


def test_a_region_without_pixels_has_no_score() -> None:
    with pytest.raises(DatasetError, match="lagos has no VIIRS pixel"):
        ScoreSums().add([np.nan], [1.0]).score("model", "lagos")


def test_arrays_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        ScoreSums().add(np.zeros((2, 3)), np.zeros((3, 2)))
