"""Counts, figures and moments as people read them; what several places say in the same words."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from nightlights.scores import (
    BICUBIC,
    LARGEST_EXPONENT,
    USUAL_EXPONENT,
    MethodFineScore,
    ScaleVerdict,
    SharpeningRecord,
    Verdict,
)

if TYPE_CHECKING:
    from nightlights.glow_records import GlowEstimate

FIRST_OUTPUT: Final = (
    "What the network predicts before the first step. As drawn: what its random first weights give, some "
    "4 nW/cm²/sr everywhere (the study's network: 30). Mean radiance: about the mean of VIIRS over the "
    "training regions, which spares dark countries hundreds of steps."
)
"""Explains the setting ``first_output`` wherever it is chosen."""


_SMOOTH: Final = f"{BICUBIC}, sharpened"
"""What every gain is compared with, as tables name it."""


def counted(count: int, noun: str) -> str:
    """``1 region``, ``2 regions``, ``1,200 patches``, ``30 epochs``."""
    plural = "es" if noun.endswith(("ch", "s", "x")) and not noun.endswith("epoch") else "s"
    return f"{count:,} {noun}{plural * (count != 1)}"


def rounded(value: float | None, digits: int) -> float | None:
    """``value`` with so many digits after the point; never the ``-0`` that a small negative one rounds to."""
    return None if value is None else round(value, digits) + 0.0


def rounded_area(km2: float) -> float:
    """Square kilometres as they are shown: whole ones from 10 on, two significant digits below."""
    return float(round(km2)) if abs(km2) >= 9.95 else float(f"{km2:.2g}")


def area_words(km2: float) -> str:
    """``0.21 km²``, ``3.4 km²``, ``1,234 km²``."""
    value = rounded_area(km2)
    return f"{value:,.0f} km²" if value >= 10 else f"{value:.2g} km²"


def size(count: float) -> str:
    """Bytes in the unit that a person would choose: "820 kB", "1.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


EXACT_GLOW: Final = "It is exact: the simulated planet was made with it, so an estimate adds nothing."
"""Said of a recorded glow that need not be estimated."""

_GLOW_REMEDY: Final = (
    "Export regions with open water or dark country around bright towns, and VIIRS as a median of several "
    "months; then estimate again. Nothing is recorded."
)


def glow_words(found: "GlowEstimate") -> str:
    """What was estimated of the glow of VIIRS, with intervals and units, or why there is none."""
    if not found.supported:
        most = f"{100 * found.share_upper:.0f} % of the light (95 % interval)."
        if found.absent:
            return f"No glow. There is at most {most}"
        why = f"It may have 0 to {most}" if found.reaches_zero else found.reason
        return f"Cannot tell whether there is a glow. {why} {_GLOW_REMEDY}"
    words = (
        f"Fraction of light in the glow: {100 * found.share:.0f} % "
        f"({100 * found.share_lower:.0f} to {100 * found.share_upper:.0f} %). "
        f"Full width at half maximum: {found.fwhm_m / 1000:.1f} km "
        f"({found.fwhm_lower_m / 1000:.1f} to {found.fwhm_upper_m / 1000:.1f} km). "
        f"From {found.dark_pixels:,} VIIRS pixels of {found.ground}; 95 % intervals."
    )
    if found.ground == "water":
        return words
    return f"{words} Light of streets and villages counts as glow: an upper bound."


def local_time(moment: datetime) -> str:
    """``2026-03-01 14:05`` in the time of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def sharpening_words(record: SharpeningRecord, fine: Sequence[MethodFineScore] = ()) -> list[str]:
    """What is known of a sharpened layer, in sentences: whether it is better, how well it agrees, and why.

    Parameters
    ----------
    fine:
        Scores against the truth, where it is known: the only word on 30 m itself.
    """
    lines = [_better_words(record.verdict)]
    if record.chi_square is not None and record.within_two_sigma is not None:
        noise = f"{100 * record.noise.share:.2g} % of the light and {record.noise.floor:.2g} nW/cm²/sr"
        lines.append(
            f"Chi-square of the sharpened light: {record.chi_square:.2f} a VIIRS pixel, where 1 is the level "
            f"of the noise ({noise}); {100 * record.within_two_sigma:.0f} % of {record.pixels:,} pixels lie "
            "within two standard deviations."
        )
    verdict = record.verdict
    if verdict is None:
        lines.append(f"The exponent of its texture is {record.exponent:g}.")
        return lines
    if verdict.found is None:
        lines.append(
            "How far the texture of the prediction is to be trusted, nothing here shows: its exponent, from "
            f"0 to {LARGEST_EXPONENT:g}, is {_usual_words(verdict)}."
        )
    else:
        lines.append(
            f"Exponent of the texture of the prediction: {verdict.exponent:g}, from 0 (interpolated VIIRS, "
            f"sharpened) over 1 (the texture in full) to {LARGEST_EXPONENT:g}. VIIRS moved up in scale asks "
            f"for {verdict.found:g}, which counts {100 * verdict.weight:.0f} %; {_usual_words(verdict)} is "
            "the rest."
        )
    lines.extend(map(_scale_words, verdict.scales))
    lines.append(_at_30_m(fine))
    return lines


def _better_words(verdict: Verdict | None) -> str:
    """Whether the texture lowered the error of interpolation, in one or two plain sentences."""
    better = "the picture is better than interpolated VIIRS"
    if verdict is None:
        return f"Not tested here: whether {better}."
    tested = [scale for scale in verdict.scales if scale.lower is not None and scale.upper is not None]
    if not tested:
        return f"Too little VIIRS here to tell whether {better}: the region is too small or too dark."
    gained = [scale for scale in tested if scale.lower is not None and scale.lower > 0]
    lost = [scale for scale in tested if scale.upper is not None and scale.upper < 0]
    words = [f"{_at(gained)} {better}: {_amounts(gained)} less error."] if gained else []
    if lost:
        worse = "it is worse" if gained else "the picture is worse than interpolated VIIRS"
        words.append(f"{_at(lost)} {worse}: {_amounts(lost)} more error.")
    if not words:
        scales = "the scale" if len(tested) == 1 else "every scale"
        words = [
            f"No better than interpolated VIIRS was shown: at {scales} tested, the 95 % interval of the gain "
            "holds 0."
        ]
    return " ".join(words)


def _at(scales: Sequence[ScaleVerdict]) -> str:
    return f"At {_listed([str(scale.factor) for scale in scales])} times the scale of VIIRS"


def _amounts(scales: Sequence[ScaleVerdict]) -> str:
    return _listed([f"{100 * abs(scale.gain):.0f} %" for scale in scales])


def _listed(words: Sequence[str]) -> str:
    """``2``, ``2 and 4``, ``2, 4 and 8``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _usual_words(verdict: Verdict) -> str:
    if verdict.usual == USUAL_EXPONENT:
        return f"the usual {verdict.usual:g}"
    return f"{verdict.usual:g}, by the regions that the network was evaluated in,"


def _scale_words(scale: ScaleVerdict) -> str:
    amount = f"{100 * abs(scale.gain):.0f} % {'less' if scale.gain >= 0 else 'more'} error than {_SMOOTH}"
    if scale.lower is None or scale.upper is None:
        return f"VIIRS moved up {scale.factor} times: {amount}."
    bounds = f"{100 * scale.lower:.0f} to {100 * scale.upper:.0f} %"
    return f"VIIRS moved up {scale.factor} times: {amount} (95 % interval of the gain: {bounds})."


def _at_30_m(fine: Sequence[MethodFineScore]) -> str:
    smooth = next((each.fine.rmse for each in fine if each.method == BICUBIC and each.sharpened), None)
    ours = next((each.fine.rmse for each in fine if each.method != BICUBIC and each.sharpened), None)
    if not smooth or ours is None:
        return "At 30 m: not measured, for the truth is not known. Gains at coarser scales do not carry over."
    gain = 1 - ours / smooth
    amount = f"{100 * abs(gain):.0f} % {'less' if gain >= 0 else 'more'} error than {_SMOOTH}"
    return f"At 30 m, against the truth: {amount}."
