"""The glow of the point spread in records, and its estimate."""

from typing import Annotated, Final, Literal

from pydantic import Field

from nightlights.observation import (
    DEFAULT_GLOW_FWHM_M,
    LARGEST_GLOW_SHARE,
    NARROWEST_GLOW_M,
    WIDEST_GLOW_M,
)
from nightlights.records import Record

LARGEST_UNSEEN_SHARE: Final = 0.15
"""Where an interval from 0 reaches beyond this, a glow as VIIRS has may be there unseen."""

LEAST_SHARE: Final = 0.01
"""A smaller fraction is none: errors of the model are as large."""


class GlowRecord(Record):
    """A record with the glow of VIIRS; older ones, which have no such fields, have no glow."""

    glow_share: Annotated[float, Field(ge=0, le=LARGEST_GLOW_SHARE)] = Field(
        default=0.0, description="fraction of the light in the glow"
    )
    glow_fwhm_m: Annotated[float, Field(ge=NARROWEST_GLOW_M, le=WIDEST_GLOW_M)] = Field(
        default=DEFAULT_GLOW_FWHM_M, description="full width at half maximum of the glow in metres"
    )

    @property
    def glow(self) -> dict[str, float]:
        """These fields, for another record."""
        return {"glow_share": self.glow_share, "glow_fwhm_m": self.glow_fwhm_m}


class GlowEstimate(Record):
    """The glow of a dataset's VIIRS, estimated from dark ground around bright places.

    Attributes
    ----------
    share, fwhm_m:
        Fraction of the light in the glow, and its full width at half maximum in metres.
    share_lower, share_upper, fwhm_lower_m, fwhm_upper_m:
        Their 95 % intervals, by drawing blocks of dark pixels anew.
    dark_pixels:
        VIIRS pixels that it rests on.
    supported:
        Whether the dark ground shows a glow: see :func:`nightlights.glow.estimate_glow`.
    ground:
        What was dark: water as the daytime bands show it, or ground that VIIRS itself shows as dark. Of the
        latter, the fraction is an upper bound: light that falls off around a town by itself looks the same.
    reason:
        Why it is not supported; empty where it is.
    """

    share: float = 0.0
    share_lower: float = 0.0
    share_upper: float = 0.0
    fwhm_m: float = DEFAULT_GLOW_FWHM_M
    fwhm_lower_m: float = NARROWEST_GLOW_M
    fwhm_upper_m: float = WIDEST_GLOW_M
    dark_pixels: int = 0
    supported: bool = False
    ground: Literal["water", "dark ground"] = "dark ground"
    reason: str = ""

    @property
    def absent(self) -> bool:
        """Whether the dark ground rules a glow out; else, unless supported, nothing can be told."""
        return not self.supported and self.reaches_zero and self.share_upper <= LARGEST_UNSEEN_SHARE

    @property
    def reaches_zero(self) -> bool:
        """Whether there was dark ground enough for an interval of the fraction, and it begins at 0."""
        return self.share_upper > 0 and self.share_lower <= LEAST_SHARE
