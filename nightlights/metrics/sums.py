"""Scores at the VIIRS grid, from sums over pixels: never averages of averages."""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightlights.errors import DatasetError
from nightlights.manifests import ClassScore, Role, Score
from nightlights.metrics.classes import CLASSES, class_of

ALL_REGIONS = "all regions"
"""The region of a score that sums over the pixels of several regions."""


def log_radiance(radiance: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Natural logarithm of 1 + radiance / (1 nW/cm2/sr); noise below 0 counts as 0."""
    logarithm: NDArray[np.float64] = np.log1p(np.maximum(radiance, 0.0, dtype=np.float64))
    return logarithm


@dataclass(frozen=True, slots=True)
class ErrorSums:
    """Sums of errors over the VIIRS pixels of one class.

    Attributes
    ----------
    pixels:
        How many.
    error, absolute_error, squared_error:
        Sums of prediction minus measurement, in nW/cm2/sr and its square.
    """

    pixels: int = 0
    error: float = 0.0
    absolute_error: float = 0.0
    squared_error: float = 0.0

    @classmethod
    def of(cls, error: NDArray[np.float64]) -> "ErrorSums":
        """The sums of ``error``, in nW/cm2/sr."""
        return cls(int(error.size), float(error.sum()), float(np.abs(error).sum()), float((error**2).sum()))

    def merge(self, other: "ErrorSums") -> "ErrorSums":
        """The sums over the pixels of both."""
        return ErrorSums(
            self.pixels + other.pixels,
            self.error + other.error,
            self.absolute_error + other.absolute_error,
            self.squared_error + other.squared_error,
        )


def _no_classes() -> tuple[ErrorSums, ...]:
    return (ErrorSums(),) * len(CLASSES)


@dataclass(frozen=True, slots=True)
class ScoreSums:
    """Sums over VIIRS pixels from which every score follows, however the pixels were cut into pieces.

    The squares of the measurement are summed about their own mean and merged as in Chan, Golub and
    LeVeque (1983, doi:10.1080/00031305.1983.10483115), so that R2 keeps its digits where radiance is high and
    even.

    Attributes
    ----------
    pixels:
        Number of VIIRS pixels where both prediction and measurement are known.
    error, absolute_error, squared_error:
        Sums of prediction minus measurement, in nW/cm2/sr and its square.
    mean_measured:
        Mean of the measurement, in nW/cm2/sr.
    squared_deviation:
        Sum of squared distances of the measurement from its mean.
    squared_log_error:
        Sum of squared differences of :func:`log_radiance`.
    classes:
        Sums for each of :data:`~nightlights.metrics.classes.CLASSES`.
    """

    pixels: int = 0
    error: float = 0.0
    absolute_error: float = 0.0
    squared_error: float = 0.0
    mean_measured: float = 0.0
    squared_deviation: float = 0.0
    squared_log_error: float = 0.0
    classes: tuple[ErrorSums, ...] = field(default_factory=_no_classes)

    def add(self, predicted: ArrayLike, measured: ArrayLike) -> Self:
        """These sums and those of two arrays of one shape, in nW/cm2/sr; pixels with a NaN do not count.

        Raises
        ------
        ValueError
            When the shapes differ.
        """
        first, second = np.asarray(predicted, np.float64), np.asarray(measured, np.float64)
        if first.shape != second.shape:
            raise ValueError(f"prediction has shape {first.shape}, measurement {second.shape}")
        both = np.isfinite(first) & np.isfinite(second)
        first, second = first[both], second[both]
        if first.size == 0:
            return self
        error, mean, classes = first - second, float(second.mean()), class_of(second)
        piece = replace(
            self,
            pixels=int(first.size),
            error=float(error.sum()),
            absolute_error=float(np.abs(error).sum()),
            squared_error=float((error**2).sum()),
            mean_measured=mean,
            squared_deviation=float(((second - mean) ** 2).sum()),
            squared_log_error=float(((log_radiance(first) - log_radiance(second)) ** 2).sum()),
            classes=tuple(ErrorSums.of(error[classes == index]) for index in range(len(CLASSES))),
        )
        return self.merge(piece)

    def merge(self, other: "ScoreSums") -> Self:
        """The sums over the pixels of both."""
        pixels = self.pixels + other.pixels
        if pixels == 0:
            return self
        apart = other.mean_measured - self.mean_measured
        return replace(
            self,
            pixels=pixels,
            error=self.error + other.error,
            absolute_error=self.absolute_error + other.absolute_error,
            squared_error=self.squared_error + other.squared_error,
            mean_measured=self.mean_measured + apart * other.pixels / pixels,
            squared_deviation=self.squared_deviation
            + other.squared_deviation
            + apart**2 * self.pixels * other.pixels / pixels,
            squared_log_error=self.squared_log_error + other.squared_log_error,
            classes=tuple(
                mine.merge(theirs) for mine, theirs in zip(self.classes, other.classes, strict=True)
            ),
        )

    @property
    def rmse(self) -> float:
        """Root of the mean squared error, in nW/cm2/sr; NaN without pixels."""
        return math.sqrt(self.squared_error / self.pixels) if self.pixels else math.nan

    def score(self, method: str, region: str, role: Role | None = None) -> Score:
        """The score of ``method`` in ``region``.

        Raises
        ------
        DatasetError
            When there is no pixel to score.
        """
        if self.pixels == 0:
            raise DatasetError(
                f"{region} has no VIIRS pixel where both prediction and measurement are known.",
                "Choose a region with less missing imagery.",
            )
        mean_error = self.error / self.pixels
        # Equal measurements leave nothing but rounding in their deviation.
        varies = self.squared_deviation > 1e-24 * self.pixels * (self.mean_measured**2 + 1e-12)
        return Score(
            method=method,
            region=region,
            role=role,
            rmse=self.rmse,
            mae=self.absolute_error / self.pixels,
            bias=mean_error,
            r2=1 - self.squared_error / self.squared_deviation if varies else None,
            pixels=self.pixels,
            mean_predicted=self.mean_measured + mean_error,
            mean_measured=self.mean_measured,
            log_rmse=math.sqrt(self.squared_log_error / self.pixels),
            classes=[
                ClassScore(
                    name=each.name,
                    lower=each.lower,
                    upper=each.upper,
                    pixels=sums.pixels,
                    rmse=math.sqrt(sums.squared_error / sums.pixels),
                    mae=sums.absolute_error / sums.pixels,
                    bias=sums.error / sums.pixels,
                )
                for each, sums in zip(CLASSES, self.classes, strict=True)
                if sums.pixels
            ],
        )
