"""Scores that need the pixels: ranks, classes and intervals, however the pixels were cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from nightlights.grid import Window
from nightlights.manifests import Score
from nightlights.metrics import Bootstrap, PixelPairs, ScoreSums, spearman

FEW_DRAWS = Bootstrap(seed=4, block_size=4, draws=60)
SCENES = st.tuples(st.integers(0, 2**31), st.integers(1, 24), st.integers(1, 24))


def scene(seed: int, height: int, width: int) -> tuple[Window, NDArray[np.float64], NDArray[np.float64]]:
    """A window, a prediction with holes and a measurement from dark to bright."""
    generator = np.random.default_rng(seed)
    measured = generator.lognormal(0, 2, (height, width)) - 0.1
    predicted = measured * generator.lognormal(0, 0.5, (height, width))
    predicted[generator.random((height, width)) < 0.1] = np.nan
    return Window(43_001, 16_003, width, height), predicted, measured


def pieces(
    window: Window, predicted: NDArray[np.float64], measured: NDArray[np.float64], side: int
) -> list[PixelPairs]:
    tiles = [(tile, tile.slices_in(window)) for tile in window.tiles(side, side)]
    return [PixelPairs.of(tile, predicted[part], measured[part]) for tile, part in tiles]


@given(scene_of=SCENES, side=st.integers(1, 25), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_no_score_depends_on_the_size_or_order_of_tiles(scene_of, side, shuffle) -> None:  # type: ignore[no-untyped-def]
    window, predicted, measured = scene(*scene_of)
    whole = PixelPairs.of(window, predicted, measured)
    cut = pieces(window, predicted, measured, side)
    shuffle.shuffle(cut)
    together = PixelPairs.joined(cut)
    assert len(together) == len(whole)
    if len(whole):
        assert together.score("model", "town", bootstrap=FEW_DRAWS) == whole.score(
            "model", "town", bootstrap=FEW_DRAWS
        )


@given(scene_of=SCENES)
@settings(max_examples=40, deadline=None)
def test_a_perfect_model_scores_zero_everywhere(scene_of) -> None:  # type: ignore[no-untyped-def]
    window, _, measured = scene(*scene_of)
    score = PixelPairs.of(window, measured, measured).score("model", "town", bootstrap=FEW_DRAWS)
    assert (score.rmse, score.mae, score.bias, score.log_rmse) == (0, 0, 0, 0)
    assert score.classes is not None and sum(each.pixels for each in score.classes) == measured.size
    assert all((each.rmse, each.mae, each.bias) == (0, 0, 0) for each in score.classes)
    assert score.r2 in (None, 1.0)
    assert score.spearman is None or score.spearman == pytest.approx(1)
    if score.intervals is not None:
        found = score.intervals
        for interval in (found.rmse, found.mae, found.bias, found.log_rmse):
            assert (interval.lower, interval.upper) == (0, 0)


@given(scene_of=SCENES, shift=st.floats(-3, 30).filter(lambda value: abs(value) > 1e-3))
@settings(max_examples=40, deadline=None)
def test_a_constant_shift_shows_as_bias_in_every_class(scene_of, shift) -> None:  # type: ignore[no-untyped-def]
    window, _, measured = scene(*scene_of)
    score = PixelPairs.of(window, measured + shift, measured).score("model", "town", bootstrap=FEW_DRAWS)
    for each in (score, *(score.classes or [])):
        assert (each.bias, each.rmse, each.mae) == pytest.approx((shift, abs(shift), abs(shift)))
    if score.intervals is not None:
        assert score.intervals.bias.lower == pytest.approx(shift)
        assert score.intervals.bias.upper == pytest.approx(shift)
    assert score.spearman is None or score.spearman == pytest.approx(1)


def test_classes_and_log_error_against_figures_worked_out_by_hand() -> None:
    measured = [0.4999, 0.5, 4.999, 5.0, -0.2]
    predicted = [1.4999, 0.5, 6.999, 2.0, -0.1]
    score = ScoreSums().add(predicted, measured).score("model", "town")
    assert score.classes is not None
    figures = {each.name: (each.pixels, each.bias, each.rmse) for each in score.classes}
    assert figures["dark"] == pytest.approx((2, 0.55, np.sqrt((1 + 0.01) / 2)))
    assert figures["dim"] == pytest.approx((2, 1.0, np.sqrt(2)))
    assert figures["bright"] == pytest.approx((1, -3, 3))
    assert [(each.lower, each.upper) for each in score.classes] == [(None, 0.5), (0.5, 5.0), (5.0, None)]
    logs = [np.log(2.4999 / 1.4999), 0, np.log(7.999 / 5.999), np.log(3 / 6), 0]
    assert score.log_rmse == pytest.approx(np.sqrt(np.mean(np.square(logs))))


@settings(deadline=None)
@given(
    values=st.lists(st.tuples(st.integers(-3, 12), st.integers(-3, 12)), min_size=2, max_size=60).filter(
        lambda pairs: all(len(set(side)) > 1 for side in zip(*pairs, strict=True))
    )
)
def test_rank_correlation_is_that_of_scipy_ties_and_all(values: list[tuple[int, int]]) -> None:
    first, second = zip(*values, strict=True)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)


def test_rank_correlation_is_unknown_where_nothing_varies() -> None:
    assert spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert spearman([], []) is None


def test_intervals_cover_the_true_error_of_blocks_that_err_together() -> None:
    """Errors of scale 1 shared by blocks of 8 x 8: the mean of n blocks errs by 1 / sqrt(n)."""
    bootstrap, covered, widths = Bootstrap(draws=300), 0, []
    window = Window(43_000, 16_000, 64, 64)
    for seed in range(100):
        generator = np.random.default_rng(seed)
        error = np.kron(generator.normal(size=(8, 8)), np.ones((8, 8)))
        measured = generator.random(window.shape)
        found = PixelPairs.of(window, measured + error, measured).score("m", "r", bootstrap=bootstrap)
        assert found.intervals is not None and found.intervals.blocks == 64
        interval = found.intervals.bias
        covered += interval.lower <= 0 <= interval.upper
        widths.append(interval.upper - interval.lower)
    assert 88 <= covered <= 99
    assert np.mean(widths) == pytest.approx(2 * 1.96 / 8, rel=0.08)


def test_every_interval_is_that_of_pixels_of_blocks_drawn_anew() -> None:
    """The pixels of the drawn blocks are put together and scored, which sums over blocks stand for."""
    generator = np.random.default_rng(6)
    regions = []
    for brightness, blocks in ((2, 12), (7, 6)):
        measured = brightness + generator.gamma(2, 2, (blocks, 4, 4))
        # From block to block the errors grow and change their sign.
        growth = np.linspace(0.1, brightness / 4, blocks) * np.resize([1, -0.5, 1], blocks)
        predicted = measured * np.exp(growth[:, None, None] * generator.normal(0.8, 0.4, measured.shape))
        regions.append(np.stack([predicted, measured], axis=1))
    scores = []
    for _ in range(3000):
        drawn = [own[generator.integers(0, len(own), len(own))] for own in regions]
        score = ScoreSums().add(*np.concatenate(drawn).swapaxes(0, 1)).score("model", "both")
        scores.append((score.rmse, score.mae, score.bias, score.log_rmse, score.r2))
    wanted = np.quantile(np.array(scores, float), [0.025, 0.975], axis=0).T
    laid = [own.transpose(1, 2, 0, 3).reshape(2, 4, -1) for own in regions]
    pooled = PixelPairs.pooled([PixelPairs.of(Window(4, 8, own.shape[2], 4), *own) for own in laid])
    found = pooled.score("model", "both", bootstrap=Bootstrap(block_size=4, draws=3000)).intervals
    assert found is not None and found.blocks == 18 and found.r2 is not None
    intervals = (found.rmse, found.mae, found.bias, found.log_rmse, found.r2)
    for interval, (lower, upper) in zip(intervals, wanted, strict=True):
        both = (interval.lower, interval.upper)
        assert both == pytest.approx((lower, upper), abs=0.06 * (upper - lower))


def test_intervals_follow_the_seed_alone() -> None:
    pairs = PixelPairs.of(*scene(1, 24, 24))

    def interval(seed: int) -> object:
        found = pairs.score("m", "r", bootstrap=Bootstrap(seed=seed, draws=100)).intervals
        return None if found is None else found.rmse

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)


def test_few_blocks_have_no_interval() -> None:
    window = Window(43_000, 16_000, 24, 8)
    pairs = PixelPairs.of(window, np.ones(window.shape), np.zeros(window.shape))
    assert pairs.score("m", "r").intervals is None


def test_regions_that_overlap_are_pooled_pixel_by_pixel() -> None:
    window = Window(43_000, 16_000, 8, 8)
    ones, zeros = np.ones(window.shape), np.zeros(window.shape)
    pooled = PixelPairs.pooled([PixelPairs.of(window, ones, zeros), PixelPairs.of(window, 3 * ones, zeros)])
    score = pooled.score("m", "both", bootstrap=Bootstrap(block_size=4, draws=50))
    assert (score.pixels, score.bias) == (128, 2.0)
    # Blocks of each region are drawn apart: within a region the error is the same everywhere.
    assert score.intervals is not None and score.intervals.blocks == 8
    assert (score.intervals.bias.lower, score.intervals.bias.upper) == (2.0, 2.0)


def test_scores_of_an_older_version_are_read() -> None:
    text = (
        '{"method": "unet", "region": "lagos", "role": "train", "rmse": 1.0, "mae": 0.5, "bias": 0.1,'
        ' "r2": null, "pixels": 9, "mean_predicted": 2.0, "mean_measured": 1.9, "unit": "nW/cm²/sr"}'
    )
    old = Score.model_validate_json(text)
    assert (old.spearman, old.classes, old.intervals, old.fine) == (None, None, None, None)


def test_arrays_of_another_shape_than_their_window_are_refused() -> None:
    with pytest.raises(ValueError, match="window"):
        PixelPairs.of(Window(0, 0, 2, 3), np.zeros((2, 3)), np.zeros((2, 3)))


def test_the_level_of_a_country_is_one_factor_for_each_region() -> None:
    light = np.random.default_rng(5).gamma(2, 3, (2, 6, 7))
    windows = [Window(100, 200, 7, 6), Window(400, 200, 7, 6)]
    regions = [
        PixelPairs.of(window, factor * truth, truth)
        for window, truth, factor in zip(windows, light, (0.02, 50.0), strict=True)
    ]
    for region in (*regions, PixelPairs.pooled(regions)):
        score = region.score("a", "b")
        assert score.rmse > 1
        assert score.rmse_level_known == pytest.approx(0, abs=1e-9)
    # Two regions together have a factor each: one factor for both leaves an error.
    one = PixelPairs.joined(regions)
    assert one.rmse_level_known is not None and one.rmse_level_known > 1
    # What is left is the error of the pattern, computed by hand.
    pattern = np.random.default_rng(6).gamma(2, 3, (6, 7))
    found = PixelPairs.of(windows[0], pattern, light[0]).rmse_level_known
    wanted = np.sqrt(np.mean((pattern * light[0].mean() / pattern.mean() - light[0]) ** 2))
    assert found == pytest.approx(wanted)
    assert PixelPairs.of(windows[0], np.zeros((6, 7)), light[0]).rmse_level_known is None
    assert PixelPairs().rmse_level_known is None
