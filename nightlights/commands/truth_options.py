"""Options of a fine truth of one's own, and the request they make."""

from typing import Annotated, Any

import typer

from nightlights.commands.options import absolute_pattern
from nightlights.commands.work import record_of
from nightlights.errors import SettingsError
from nightlights.fine_truth import MAXIMUM_SHIFT_M, TruthRequest

TruthOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Rasters: night-time GeoTIFFs finer than VIIRS (SDGSAT-1, Luojia-1, airborne), one band, any "
        "unit; predictions are scored against them; repeatable."
    ),
]
TruthNodataOption = Annotated[
    float | None, typer.Option(help="Value of --truth that means missing, besides the tagged one.")
]
TruthCalibrationOption = Annotated[
    str | None,
    typer.Option(
        help="How values of --truth become nW/cm²/sr: line or rank, with VIIRS as the reference; none where "
        "they are. Default: line."
    ),
]
TruthShiftOption = Annotated[
    float | None,
    typer.Option(
        "--truth-maximum-shift-m",
        help="How far --truth may lie off, in metres; 0 leaves it where it is. "
        f"Default: {MAXIMUM_SHIFT_M:g}.",
        min=0,
        max=5000,
    ),
]
TruthResolutionOption = Annotated[
    float | None,
    typer.Option(
        "--truth-resolution-m",
        help="What --truth resolves, in metres, where that is coarser than its pixels.",
    ),
]


def truth_request(source: str, files: list[str] | None, **values: Any) -> TruthRequest | None:
    """What the options ask for; None without ``files``.

    Raises
    ------
    SettingsError
        When an option cannot be used, or is given without what it belongs to.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if not files:
        if given:
            option = next(iter(given)).replace("_", "-")
            raise SettingsError(f"--truth-{option} says how a truth is read.", "Give --truth, too.")
        return None
    if source != "rasters":
        raise SettingsError("--truth goes with your own rasters.", "Add --source rasters.")
    return record_of(TruthRequest, "truth-", files=[absolute_pattern(pattern) for pattern in files], **given)
