"""Losses against the observation operator, with missing pixels and turned patches."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nightlights.bands import RadianceTransform
from nightlights.grid import Window
from nightlights.losses import footprint_loss, observed_radiance, pixel_loss
from nightlights.manifests import Loss
from nightlights.observation import PointSpread, observe
from nightlights.training.augmentation import draw_switches, turned, turned_back
from nightlights.training.footprints import MINIMUM_COVERAGE, PatchFootprints

TRANSFORM = RadianceTransform(kind="inverse hyperbolic sine", scale=2.0)
ORIENTATIONS = np.array([[t, r, c] for t in (0, 1) for r in (0, 1) for c in (0, 1)], dtype=bool)


def observed(
    fine: NDArray[Any],
    known: NDArray[Any],
    rows: list[int],
    fwhm_m: float = 742.0,
    transform: RadianceTransform = TRANSFORM,
    minimum_coverage: float = MINIMUM_COVERAGE,
) -> tuple[NDArray[Any], NDArray[Any]]:
    footprints = PatchFootprints(PointSpread(fwhm_m), fine.shape[1])
    pair = observed_radiance(
        transform.forward(fine).astype(np.float32),
        known.astype(np.float32),
        footprints.across_rows,
        footprints.along_rows(np.array(rows)),
        transform,
        minimum_coverage,
    )
    return np.asarray(pair[0]), np.asarray(pair[1])


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.integers(0, 33_000), min_size=1, max_size=3),
    fwhm_m=st.sampled_from([0.0, 300.0, 742.0, 1500.0]),
    kind=st.sampled_from(["linear", "square root", "inverse hyperbolic sine"]),
    seed=st.integers(0, 2**31),
)
def test_patches_are_observed_as_one_window_is(rows: list[int], fwhm_m: float, kind: Any, seed: int) -> None:
    generator = np.random.default_rng(seed)
    fine = generator.gamma(0.5, 10.0, size=(len(rows), 96, 96))
    known = generator.uniform(size=fine.shape) > 0.1
    transform = RadianceTransform(kind=kind, scale=3.0)
    result, weights = observed(fine, known, rows, fwhm_m, transform, minimum_coverage=0.6)
    for index, row in enumerate(rows):
        expected = observe(
            np.where(known[index], fine[index], np.nan),
            Window(5000, row, 6, 6),
            PointSpread(fwhm_m),
            minimum_coverage=0.6,
        )
        agree = np.isfinite(expected) == (weights[index] > 0)
        # A coverage within rounding of the limit may fall on either side.
        assert agree.mean() > 0.9
        use = np.isfinite(expected) & (weights[index] > 0)
        np.testing.assert_allclose(result[index][use], expected[use], rtol=2e-5)


def test_the_ring_that_a_patch_does_not_cover_is_left_out() -> None:
    _, weights = observed(np.ones((1, 128, 128)), np.ones((1, 128, 128)), [18_000])
    expected = np.zeros((8, 8))
    expected[1:-1, 1:-1] = 1
    np.testing.assert_array_equal(weights[0], expected)


def test_coverage_found_without_a_backend_is_the_same() -> None:
    generator = np.random.default_rng(3)
    known = generator.uniform(size=(2, 128, 128)) > 0.03
    footprints = PatchFootprints(PointSpread(), 128)
    rows = np.array([100, 20_000])
    _, weights = observed(np.ones(known.shape), known, rows.tolist())
    covered = footprints.covered(known.astype(np.float32), np.ones((2, 8, 8), np.float32), rows)
    np.testing.assert_array_equal(covered, weights > 0)
    assert 0 < covered.mean() < 1


def test_footprint_loss_is_the_mean_square_over_weighted_pixels() -> None:
    seen, measured = np.array([[[1.0, 5.0], [0.0, 9.0]]]), np.array([[[2.0, 5.0], [-0.1, 0.0]]])
    weights = np.array([[[1.0, 1.0], [1.0, 0.0]]])
    expected = np.mean((np.arcsinh([0.5, 2.5, 0.0]) - np.arcsinh([1.0, 2.5, -0.05])) ** 2)
    assert float(footprint_loss(seen, measured, weights, TRANSFORM)) == pytest.approx(expected, rel=1e-5)


def test_footprint_huber_counts_large_differences_linearly() -> None:
    seen, measured = np.sinh([[[0.2, 2.0, 7.0]]]) * 2, np.zeros((1, 1, 3))
    weights = np.array([[[1.0, 1.0, 0.0]]])
    found = float(footprint_loss(seen, measured, weights, TRANSFORM, "footprint Huber"))
    assert found == pytest.approx((0.02 + 0.5 * 1.75) / 2, rel=1e-5)
    with pytest.raises(ValueError, match="pixel Huber is not a footprint loss"):
        footprint_loss(seen, measured, weights, TRANSFORM, "pixel Huber")


def test_the_square_root_transform_has_a_finite_slope_at_no_light() -> None:
    import tensorflow as tf

    dark = tf.zeros((1, 2, 2))
    with tf.GradientTape() as tape:
        tape.watch(dark)
        loss = footprint_loss(
            dark, tf.ones((1, 2, 2)), tf.ones((1, 2, 2)), RadianceTransform(kind="square root")
        )
    assert np.isfinite(tape.gradient(loss, dark).numpy()).all()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("pixel squared error", (0.04 + 4.0) / 2),
        ("pixel absolute error", (0.2 + 2.0) / 2),
        ("pixel Huber", (0.02 + 0.5 * 1.75) / 2),
    ],
)
def test_pixel_losses_have_their_textbook_values(kind: Loss, expected: float) -> None:
    predicted, label = np.array([[[0.2, 2.0, 7.0]]]), np.array([[[0.0, 0.0, 0.0]]])
    weights = np.array([[[1.0, 1.0, 0.0]]])
    assert float(pixel_loss(kind, predicted, label, weights)) == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_missing_pixels_has_no_loss() -> None:
    zero = np.zeros((1, 4, 4))
    assert float(pixel_loss("pixel squared error", zero + 5, zero, zero)) == 0


def test_the_footprint_loss_is_not_a_pixel_loss() -> None:
    with pytest.raises(ValueError, match="footprint"):
        pixel_loss("footprint squared error", np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.ones((1, 1, 1)))


def test_turning_back_undoes_every_orientation() -> None:
    images = np.random.default_rng(0).normal(size=(8, 6, 6)).astype(np.float32)
    there = turned(images, ORIENTATIONS)
    assert len({image.tobytes() for image in np.asarray(turned(images[:1].repeat(8, 0), ORIENTATIONS))}) == 8
    np.testing.assert_array_equal(np.asarray(turned_back(there, ORIENTATIONS)), images)


def test_bands_turn_together() -> None:
    images = np.random.default_rng(0).normal(size=(8, 6, 6, 3))
    there = np.asarray(turned(images, ORIENTATIONS))
    for number, (transpose, rows, columns) in enumerate(ORIENTATIONS):
        expected = images[number].swapaxes(0, 1) if transpose else images[number]
        expected = expected[::-1] if rows else expected
        np.testing.assert_array_equal(there[number], expected[:, ::-1] if columns else expected)


@pytest.mark.parametrize(
    ("rotate", "mirror", "count"), [(False, False, 1), (True, False, 4), (False, True, 4), (True, True, 8)]
)
def test_every_allowed_orientation_is_drawn(rotate: bool, mirror: bool, count: int) -> None:
    switches = draw_switches(400, np.random.default_rng(1), rotate=rotate, mirror=mirror)
    images = np.asarray(turned(np.arange(9.0).reshape(1, 3, 3).repeat(400, 0), switches))
    found = {image.tobytes() for image in images}
    assert len(found) == count
    if rotate and not mirror:
        assert found == {np.rot90(np.arange(9.0).reshape(3, 3), k).tobytes() for k in range(4)}
