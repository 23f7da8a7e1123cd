"""Scaling and radiance transforms: the study's numbers, round trips, missing values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nightlights.bands import LANDSAT_BANDS, STUDY_TRANSFORM, Band, RadianceTransform, Scaling

transforms = st.builds(
    RadianceTransform,
    kind=st.sampled_from(["linear", "square root", "inverse hyperbolic sine"]),
    scale=st.sampled_from([0.1, 1.0, 60.0]),
)


def test_the_study_scales_temperature_to_a_hundred_degrees_and_leaves_reflectance() -> None:
    scaling = Scaling.study(LANDSAT_BANDS)
    pixel = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.4, 298.15, 400.0])
    expected = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0, 0.25, 1.0]
    np.testing.assert_allclose(scaling.apply(pixel), expected, atol=1e-6)


def test_the_study_cannot_scale_bands_that_it_did_not_have() -> None:
    with pytest.raises(ValueError, match="population"):
        Scaling.study([Band(name="population")])


@given(transforms, st.floats(-50, 5000, allow_subnormal=False))
def test_a_transform_and_its_inverse_give_the_radiance_back(
    transform: RadianceTransform, radiance: float
) -> None:
    there = transform.forward(np.float64(radiance))
    assert transform.inverse(there) == pytest.approx(radiance, rel=1e-9, abs=1e-9)
    assert np.sign(there) == np.sign(radiance)


@given(transforms, st.floats(-5, 900), st.floats(0.01, 50))
def test_more_light_is_a_larger_number(transform: RadianceTransform, radiance: float, more: float) -> None:
    assert transform.forward(radiance + more) > transform.forward(radiance)


def test_the_study_divides_by_sixty() -> None:
    assert STUDY_TRANSFORM.forward(30.0) == 0.5
    assert STUDY_TRANSFORM.inverse(1.0) == 60.0


def test_a_wild_output_stays_finite_in_single_precision() -> None:
    assert np.isfinite(np.float32(RadianceTransform().inverse(np.float32(1e6))))


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_fitted_scaling_gives_mean_zero_and_deviation_one(seed: int, bands: int) -> None:
    generator = np.random.default_rng(seed)
    samples = generator.normal(generator.uniform(-300, 300), generator.uniform(0.01, 50), (500, bands))
    samples[generator.random(samples.shape) < 0.1] = np.nan
    scaling = Scaling.fitted([f"band_{i}" for i in range(bands)], samples)
    known = np.where(np.isfinite(samples), scaling.apply(samples), np.nan)
    np.testing.assert_allclose(np.nanmean(known, axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.nanstd(known, axis=0), 1, atol=1e-3)


def test_missing_values_become_the_average_pixel() -> None:
    scaling = Scaling.fitted(["a"], np.array([[1.0], [3.0]]))
    np.testing.assert_array_equal(scaling.apply(np.array([np.nan, 2.0, 3.0])[:, None])[:, 0], [0, 0, 1])


def test_a_band_that_does_not_vary_is_no_division_by_zero() -> None:
    scaling = Scaling.fitted(["a"], np.full((4, 1), 5.0))
    assert scaling.apply(np.array([[5.0]]))[0, 0] == 0


@pytest.mark.parametrize(
    "change", [{"spread": (0.0,)}, {"center": (1.0, 2.0)}, {"upper": (float("nan"),)}, {"pickle": b""}]
)
def test_a_scaling_that_cannot_be_used_is_refused(change: dict[str, object]) -> None:
    good = {"bands": ("a",), "center": (0.0,), "spread": (1.0,), "lower": (0.0,), "upper": (1.0,)}
    Scaling.model_validate(good)
    with pytest.raises(ValidationError):
        Scaling.model_validate(good | change)
