"""What every imagery source offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import Band
from nightlights.fine_truth import FineTruthRecord
from nightlights.grid import Window
from nightlights.noise import Noise
from nightlights.observation import PointSpread
from nightlights.progress import Progress


@dataclass(frozen=True, slots=True)
class Estimate:
    """What fetching a window will take, before it is done.

    Attributes
    ----------
    stored_bytes:
        Size on disk afterwards, in bytes.
    seconds:
        Time on this machine, in seconds.
    requests:
        How many requests or tasks a distant service is asked for.
    """

    stored_bytes: int
    seconds: float
    requests: int = 0


class ImagerySource(Protocol):
    """A pair of images, by day and by night, of any window.

    Arrays are float32 with NaN where a pixel is missing, north first.
    """

    @property
    def kind(self) -> str:
        """Short name as in manifests: ``simulated``, ``rasters`` or ``earthengine``."""

    @property
    def label(self) -> str:
        """One line for people, for example "Simulated planet (seed 1)"."""

    @property
    def simulated(self) -> bool:
        """Whether the imagery is simulated, which must be said wherever a result is shown."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about this imagery before it is exported, in whole sentences."""

    @property
    def usual_noise(self) -> Noise | None:
        """How far :meth:`nighttime` scatters; None where nothing is known but that it is VIIRS."""

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands of :meth:`daytime`, in order."""

    def describe(self) -> dict[str, Any]:
        """What a manifest needs to make this source again, as JSON values, without secrets."""

    def estimate(self, window: Window) -> Estimate:
        """What fetching ``window`` will take."""

    def daytime(self, window: Window) -> NDArray[np.float32]:
        """The daytime image, shape (bands, 16 height, 16 width), in the bands' units."""

    def nighttime(self, window: Window) -> NDArray[np.float32]:
        """VIIRS radiance in nW/cm2/sr, shape (height, width)."""

    def truth(self, window: Window) -> NDArray[np.float32] | None:
        """The hidden fine radiance in nW/cm2/sr, shape (16 height, 16 width), or None where unknown."""


@runtime_checkable
class FetchingSource(ImagerySource, Protocol):
    """A source from afar: all is fetched first, many requests at once, and read from disk afterwards."""

    def fetch(self, windows: Mapping[str, Window], folder: Path, progress: Progress) -> None:
        """Bring the imagery of ``windows`` (by the name of their region) into ``folder``.

        :meth:`daytime` and :meth:`nighttime` then read it from there. What an earlier, interrupted call
        left in ``folder`` is not fetched again. ``progress`` is told often enough to be cancelled.

        Raises
        ------
        SourceError
            When the imagery cannot be had.
        Cancelled
            When ``progress`` says so.
        """


@runtime_checkable
class RepeatedSource(ImagerySource, Protocol):
    """A source whose night-time image may be composed of several images of the same place."""

    def noise(self, window: Window) -> NDArray[np.float32] | None:
        """How the night-time images of ``window`` scatter; None where each pixel comes from one image.

        Returns
        -------
        numpy.ndarray
            float32, shape (2, height, width): the robust standard deviation of a single image in nW/cm2/sr,
            NaN where it cannot be measured; and the number of images.
        """


class AlignedTruth(Protocol):
    """A fine truth of one's own in a region, aligned and calibrated."""

    @property
    def record(self) -> FineTruthRecord:
        """What was done to it."""

    def read(self, window: Window) -> NDArray[np.float32]:
        """Radiance in nW/cm2/sr, float32 of shape (16 height, 16 width), NaN where missing."""


@runtime_checkable
class TruthSource(ImagerySource, Protocol):
    """A source that may have been given a fine truth of one's own."""

    def align_truth(
        self, windows: Mapping[str, Window], point_spread: PointSpread, progress: Progress
    ) -> Mapping[str, AlignedTruth | str]:
        """The fine truth of each region by its name, or why it has none; empty where none was given.

        Raises
        ------
        RasterError, SourceError
            When it cannot be used at all.
        """
