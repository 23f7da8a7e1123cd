"""The constants that sharpened light depends on: figures of other constants are figures of another method."""

import hashlib
import json

from nightlights.sharpening import dark, estimate, interpolation, scene, verdict
from nightlights.sharpening.agreement import _SIGMAS
from nightlights.sharpening.sharpen import _DARK_SHARE

PROCEDURE = 5
"""Counts changes of the procedures of this package that are no change of a constant."""


def sharpening_constants() -> dict[str, float | list[float]]:
    """Name to value, of everything in this package that figures depend on; memory and strips are none."""
    return {
        "procedure": PROCEDURE,
        "rounds": estimate._ROUNDS,
        "step": estimate._STEP,
        "gentle rounds": estimate._GENTLE,
        "weak": estimate._WEAK,
        "chi-square": estimate._CHI_SQUARE,
        "neighbourhood": estimate._NEIGHBOURHOOD,
        "largest residual": estimate._LARGEST_RESIDUAL,
        "least gate": estimate._LEAST_GATE,
        "faint": estimate._FAINT,
        "largest factor": estimate._LARGEST_FACTOR,
        "neighbours": estimate._NEIGHBOURS,
        "darkest": scene._DARKEST,
        "reach of levels": scene._LEVEL_REACH,
        "closing": estimate._CLOSING,
        "closed": estimate._CLOSED,
        "calm": dark._CALM,
        "calm side": dark._CALM_SIDE,
        "calm within": dark._CALM_WITHIN,
        "dark stands out": dark._STANDS_OUT,
        "dark side": dark._SIDE,
        "dark percentile": dark._PERCENTILE,
        "dark smoothing before": dark._BEFORE,
        "dark smoothing after": dark._AFTER,
        "dark kept": dark._KEPT,
        "dark largest": dark._LARGEST,
        "dark share": _DARK_SHARE,
        "verdict alike": verdict._ALIKE,
        "least coverage": scene._LEAST_COVERAGE,
        "sigmas of agreement": _SIGMAS,
        "verdict factors": [float(factor) for factor in verdict.FACTORS],
        "verdict exponents": list(verdict.EXPONENTS),
        "verdict usual exponent": verdict.USUAL,
        "verdict usual spread": verdict._USUAL_SPREAD,
        "verdict least pixels": verdict._LEAST_PIXELS,
        "verdict largest side": verdict._LARGEST_SIDE,
        "verdict block": verdict._BLOCK,
        "verdict draws": verdict._DRAWS,
        "verdict spread of a place": verdict._SPREAD_OF_A_PLACE,
        "verdict least blocks": verdict._LEAST_BLOCKS,
        "verdict seed": verdict._SEED,
        "verdict faint share": verdict._FAINT_SHARE,
        "kriging ranges": list(interpolation._RANGES_M),
        "kriging lags": interpolation._LAGS,
        "kriging nugget": interpolation._NUGGET,
    }


def sharpening_digest() -> str:
    """Of :func:`sharpening_constants`, short enough to be printed."""
    text = json.dumps(sharpening_constants(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
