"""The constants that sharpened light depends on: figures of other constants are figures of another method."""

import hashlib
import json
from importlib import import_module

from nightlights.sharpening import agreement, cells, estimate, interpolation, scene

PROCEDURE = 1
"""Counts changes of the procedures of this package that are no change of a constant."""


def sharpening_constants() -> dict[str, float | list[float]]:
    """Name to value, of everything in this package that figures depend on; memory and strips are none."""
    # The package's name for the function hides the module.
    sharpen = import_module("nightlights.sharpening.sharpen")
    return {
        "procedure": PROCEDURE,
        "noise floor": sharpen.NOISE_FLOOR,
        "tolerance": sharpen.TOLERANCE,
        "dark tolerance": sharpen._DARK_TOLERANCE,
        "kept back": sharpen._KEPT_BACK,
        "softness": agreement._SOFTNESS,
        "stiffnesses": list(agreement.STIFFNESSES),
        "effort": agreement._EFFORT,
        "rounds of agreement": agreement._ROUNDS,
        "halvings": agreement._HALVINGS,
        "conjugate steps": agreement._CONJUGATE_STEPS,
        "rounds of the estimate": estimate._ROUNDS,
        "faint": estimate._FAINT,
        "largest factor": estimate._LARGEST_FACTOR,
        "neighbours": estimate._NEIGHBOURS,
        "cell": cells.CELL,
        "least coverage": scene._LEAST_COVERAGE,
        "least brightness": scene._LEAST_BRIGHTNESS,
        "kept share": scene.KEPT_SHARE,
        "kriging ranges": list(interpolation._RANGES_M),
        "kriging lags": interpolation._LAGS,
        "kriging nugget": interpolation._NUGGET,
    }


def sharpening_digest() -> str:
    """Of :func:`sharpening_constants`, short enough to be printed."""
    text = json.dumps(sharpening_constants(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
