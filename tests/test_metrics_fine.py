"""Scores at the analysis grid, and whole regions compared tile by tile."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_samples import learnable_dataset
from numpy.typing import NDArray

from nightlights.datasets import Dataset
from nightlights.errors import DatasetError
from nightlights.grid import Window
from nightlights.metrics import FineSums, structural_similarity
from nightlights.observation import PointSpread
from nightlights.prediction import Comparison, compare_fine, pooled_score

Floats = NDArray[np.float64]


def scene(seed: int, height: int, width: int) -> tuple[Floats, Floats]:
    generator = np.random.default_rng(seed)
    truth = generator.lognormal(0, 2, (height, width))
    predicted = truth * generator.lognormal(0, 0.5, (height, width))
    predicted[generator.random((height, width)) < 0.003] = np.nan
    return predicted, truth


@given(
    seed=st.integers(0, 2**31),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    side=st.integers(7, 61),
)
@settings(max_examples=25, deadline=None)
def test_tiles_with_five_pixels_around_them_give_the_sums_of_the_whole(
    seed: int, height: int, width: int, side: int
) -> None:
    predicted, truth = scene(seed, height, width)
    whole, cut = FineSums().add(predicted, truth), FineSums()
    for top in range(0, height, side):
        for left in range(0, width, side):
            north, west = max(top - 5, 0), max(left - 5, 0)
            reach = (slice(north, top + side + 5), slice(west, left + side + 5))
            inner = (slice(top - north, top - north + side), slice(left - west, left - west + side))
            cut = cut.add(predicted[reach], truth[reach], inner)
    for name in FineSums.__dataclass_fields__:
        assert getattr(cut, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-9), name


@given(seed=st.integers(0, 2**31), shift=st.floats(0, 20))
@settings(max_examples=20, deadline=None)
def test_a_perfect_image_is_perfect_and_a_shift_is_bias(seed: int, shift: float) -> None:
    _, truth = scene(seed, 20, 20)
    score = FineSums().add(truth + shift, truth).score()
    assert (score.rmse, score.mae, score.bias) == pytest.approx((shift, shift, shift), abs=1e-12)
    if shift == 0:
        assert score.ssim == pytest.approx(1)
        assert (score.lit_f1, score.lit_precision, score.lit_recall) == (1, 1, 1)


def test_lit_area_is_counted_from_half_a_unit_on() -> None:
    truth = np.array([[0.4, 0.5, 3.0, 0.1, 0.2]])
    predicted = np.array([[0.6, 0.5, 0.3, 0.1, np.nan]])
    score = FineSums().add(predicted, truth).score()
    assert (score.lit_precision, score.lit_recall, score.lit_f1) == (0.5, 0.5, 0.5)
    assert (score.pixels, score.ssim) == (4, None)
    dark = FineSums().add(np.zeros((1, 3)), np.zeros((1, 3))).score()
    assert (dark.lit_precision, dark.lit_recall, dark.lit_f1) == (None, None, None)


def test_structural_similarity_against_its_formula_at_one_pixel() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.lognormal(1, 1, (2, 11, 11))
    one, two = np.log1p(first), np.log1p(second)
    bell = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell) / bell.sum() ** 2
    means = (weights * one).sum(), (weights * two).sum()
    variances = (weights * (one - means[0]) ** 2).sum(), (weights * (two - means[1]) ** 2).sum()
    covariance = (weights * (one - means[0]) * (two - means[1])).sum()
    c1, c2 = (0.01 * np.log(501)) ** 2, (0.03 * np.log(501)) ** 2
    expected = (
        (2 * means[0] * means[1] + c1)
        * (2 * covariance + c2)
        / ((means[0] ** 2 + means[1] ** 2 + c1) * (sum(variances) + c2))
    )
    found = structural_similarity(first, second)
    assert found[5, 5] == pytest.approx(expected)
    assert np.isnan(found).sum() == 120


def test_texture_that_is_smoothed_away_or_displaced_is_less_similar() -> None:
    generator = np.random.default_rng(2)
    streets = np.where(generator.random((64, 64)) < 0.2, 20.0, 1.0)

    def similarity(image: Floats) -> float:
        return FineSums().add(image, streets).score().ssim or 0.0

    flat = similarity(np.full_like(streets, streets.mean()))
    displaced = similarity(np.roll(streets, 3, axis=1))
    faded = similarity(streets * 0.7)
    assert max(flat, displaced) < 0.3 < 0.8 < faded < 1


def test_no_known_pixel_has_no_score() -> None:
    with pytest.raises(DatasetError, match="no analysis pixel"):
        FineSums().add([[np.nan]], [[1.0]]).score()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder: Path = tmp_path_factory.mktemp("compared")
    return learnable_dataset(folder)


def compared(dataset: Dataset, shift: float, tile_size: int, region: str = "east") -> Comparison:
    """A model that knows the truth, apart from ``shift``."""

    def read(window: Window) -> Floats:
        truth = dataset.read_truth(region, window)
        assert truth is not None
        return truth.astype(np.float64) + shift

    return compare_fine(dataset, region, read, PointSpread(), tile_size)


@pytest.mark.parametrize("tile_size", [3, 5, 64])
def test_a_model_that_knows_the_truth_scores_zero_and_a_shift_is_bias(
    dataset: Dataset, tile_size: int
) -> None:
    perfect = compared(dataset, 0.0, tile_size).score("model", "east")
    assert (perfect.rmse, perfect.mae, perfect.bias) == pytest.approx((0, 0, 0), abs=1e-6)
    assert perfect.fine is not None
    assert (perfect.fine.rmse, perfect.fine.bias) == (0, 0)
    assert (perfect.fine.ssim, perfect.fine.lit_f1) == (pytest.approx(1), 1)
    shifted = compared(dataset, 2.0, tile_size).score("model", "east")
    assert (shifted.bias, shifted.rmse) == pytest.approx((2, 2), rel=1e-5)
    assert shifted.fine is not None
    assert (shifted.fine.bias, shifted.fine.rmse) == pytest.approx((2, 2))


def test_a_region_scores_the_same_in_tiles_of_any_size(dataset: Dataset) -> None:
    def read(window: Window) -> NDArray[np.float32]:
        return dataset.read_daytime("north", window)[0] * 50

    scores = [
        compare_fine(dataset, "north", read, PointSpread(), size).score("model", "north").model_dump()
        for size in (3, 5, 64)
    ]
    for other in scores[1:]:
        assert flat(other) == pytest.approx(flat(scores[0]), rel=1e-6)


def flat(value: object, name: str = "") -> dict[str, float]:
    """The numbers of nested records by their path."""
    if isinstance(value, dict):
        return {k: v for key, each in value.items() for k, v in flat(each, f"{name}/{key}").items()}
    if isinstance(value, list):
        return {k: v for index, each in enumerate(value) for k, v in flat(each, f"{name}/{index}").items()}
    return {name: float(value)} if isinstance(value, int | float) else {}


def test_pooled_scores_add_pixels_of_regions(dataset: Dataset) -> None:
    parts = [compared(dataset, shift, 64, region) for shift, region in ((1.0, "north"), (3.0, "south"))]
    pooled = pooled_score(parts, "model", "all regions", "train")
    assert pooled.bias == pytest.approx(2, rel=1e-4)
    assert pooled.rmse == pytest.approx(np.sqrt(5), rel=1e-4)
    assert pooled.fine is not None and pooled.fine.pixels == 2 * (12 * 16) ** 2
    assert pooled.fine.rmse == pytest.approx(np.sqrt(5))
