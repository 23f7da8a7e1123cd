"""The table of targets: what is to be reached on the standard cities, and what was measured there.

Every figure is a mean over cities in which each city on each planet counts the same, unless its row says
otherwise. Ratios are those of two such means.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from nightlights.baselines import CONSTANT_MEAN, LINEAR_REGRESSION
from nightlights.sharpening.interpolation import INTERPOLATIONS
from standard.boosting import GRADIENT_BOOSTING
from standard.cities import Group
from standard.recipes import CONTINENTS
from standard.table import CityFigures, MethodFigures, StandardTable
from standard.traps import TRAPS, Trap

BICUBIC: Final = "bicubic VIIRS"
LISTED_BASELINES: Final = (*INTERPOLATIONS, LINEAR_REGRESSION, GRADIENT_BOOSTING)
"""What sharpening is held against, each plain and sharpened."""

_KEYS: Final[dict[Group, str]] = {"Africa": "africa", "United States": "united-states"}
_OURS, _ORACLE = "sharpening", "oracle"
LARGER_ORACLE: Final = "oracle-unet"
"""Key of a recipe that there may be: a larger network trained on the truth, for information alone."""


@dataclass(frozen=True)
class TargetRow:
    """A row of the table.

    Attributes
    ----------
    task, figure:
        What is done, and what is measured.
    lowest, highest:
        Between which bounds the target is reached; None where there is no such bound. Rows without any
        bound explain the others.
    measured:
        None where a method's figures are missing.
    unit:
        ``x`` for ratios, ``%`` for shares, which are given from 0 to 1, nothing for chi-square.
    methods:
        Keys of the methods whose figures went in.
    detail:
        What the figure is made of.
    doubtful:
        Whether what ours is held against is worse than no network at all, so that nothing is shown.
    """

    task: str
    figure: str
    lowest: float | None
    highest: float | None
    measured: float | None
    unit: str
    methods: tuple[str, ...]
    detail: str = ""
    doubtful: bool = False

    @property
    def reached(self) -> bool | None:
        """None where nothing was measured, or nothing is asked."""
        if self.measured is None or (self.lowest is None and self.highest is None):
            return None
        above = self.lowest is None or self.measured >= self.lowest
        return above and (self.highest is None or self.measured <= self.highest)


def target_rows(table: StandardTable) -> list[TargetRow]:
    """Every row of the table."""
    return [*_daytime(table), *_sharpening(table), *_agreement(table), *_traps(table), *_coverage(table)]


def _rmse(city: CityFigures) -> float:
    return city.rmse


def _fine(city: CityFigures) -> float:
    return city.fine_rmse


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _group_mean(table: StandardTable, key: str, group: Group) -> float | None:
    method = table.method(key)
    return method.mean(_rmse, group=group) if method else None


def _daytime(table: StandardTable) -> Iterator[TargetRow]:
    """Ours against the study's recipe: each continent's model where it was trained, then on the other."""
    for same, limit in ((True, 0.5), (False, 0.7)):
        where = (
            "held-out cities of the same continent"
            if same
            else "trained on one continent, tested on the other"
        )
        pairs = [
            (own, own if same else other) for own, other in zip(CONTINENTS, CONTINENTS[::-1], strict=True)
        ]
        ours = [_group_mean(table, f"daytime-{_KEYS[own]}", tested) for own, tested in pairs]
        study = [_group_mean(table, f"study-{_KEYS[own]}", tested) for own, tested in pairs]
        constant = _mean([_group_mean(table, CONSTANT_MEAN, tested) for _, tested in pairs])
        methods = tuple(f"{kind}-{_KEYS[own]}" for own in CONTINENTS for kind in ("daytime", "study"))
        task, figure = f"daytime bands only, {where}", "RMSE at the VIIRS grid against the study's recipe"
        first, second = _mean(ours), _mean(study)
        yield TargetRow(
            task,
            figure,
            None,
            limit,
            _ratio(first, second),
            "x",
            methods,
            _against(first, second) + _unlearned(second, constant),
            doubtful=bool(_unlearned(second, constant)),
        )
        yield TargetRow(
            "  one radiance everywhere, the mean of the training cities",
            figure,
            None,
            None,
            _ratio(constant, second),
            "x",
            (CONSTANT_MEAN, *methods),
            _against(constant, second),
        )
        for (own, tested), mine, theirs in zip(pairs, ours, study, strict=True):
            yield TargetRow(
                f"  trained in {own}, tested in {tested}",
                figure,
                None,
                None,
                _ratio(mine, theirs),
                "x",
                (f"daytime-{_KEYS[own]}", f"study-{_KEYS[own]}"),
                _against(mine, theirs),
            )


def _against(first: float | None, second: float | None) -> str:
    return "" if first is None or second is None else f"{first:.3g} against {second:.3g} nW/cm²/sr"


def _unlearned(study: float | None, constant: float | None) -> str:
    """A warning where what ours is held against is worse than no network at all."""
    if study is None or constant is None or study <= constant:
        return ""
    return (
        f"; one radiance everywhere gives {constant:.3g}: in so few steps the study's recipe has learned "
        "less, so this ratio proves little"
    )


def best_baseline(table: StandardTable) -> tuple[str, bool, float] | None:
    """Name, whether sharpened, and mean fine RMSE of the best listed baseline; None unless all are known."""
    found = []
    for name in LISTED_BASELINES:
        for sharpened in (False, True):
            method = table.method(name)
            mean = method.mean(_fine, sharpened=sharpened) if method else None
            if mean is None:
                return None
            found.append((name, sharpened, mean))
    return min(found, key=lambda each: each[2])


def _sharpening(table: StandardTable) -> Iterator[TargetRow]:
    task = "VIIRS and daytime bands (sharpening)"
    ours, oracle = (
        method.mean(_fine, sharpened=True) if (method := table.method(key)) else None
        for key in (_OURS, _ORACLE)
    )
    method = table.method(BICUBIC)
    bicubic = method.mean(_fine) if method else None
    figure = "fine-scale RMSE against bicubic VIIRS"
    yield TargetRow(
        task, figure, None, 0.7, _ratio(ours, bicubic), "x", (_OURS, BICUBIC), _against(ours, bicubic)
    )
    best = best_baseline(table)
    detail = ""
    if best and ours is not None:
        detail = f"{_against(ours, best[2])} of {best[0]}{', sharpened' if best[1] else ''}"
    yield TargetRow(
        task,
        "fine-scale RMSE against the best of all listed baselines",
        None,
        0.8,
        _ratio(ours, best[2] if best else None),
        "x",
        (_OURS, *LISTED_BASELINES),
        detail,
    )
    share, why = None, "" if oracle is None else f"oracle {oracle:.3g} nW/cm²/sr"
    if ours is not None and oracle is not None and bicubic is not None:
        if bicubic > oracle:
            share = (bicubic - ours) / (bicubic - oracle)
        else:
            why = (
                f"there is no gap: the oracle errs by {oracle:.3g}, bicubic VIIRS by {bicubic:.3g} nW/cm²/sr"
            )
    yield TargetRow(
        task,
        "share closed of the gap between bicubic VIIRS and the oracle",
        0.8,
        None,
        share,
        "%",
        (_OURS, BICUBIC, _ORACLE),
        why,
    )
    yield from _larger_oracle(table, ours, bicubic)


def _larger_oracle(table: StandardTable, ours: float | None, bicubic: float | None) -> Iterator[TargetRow]:
    """What a larger network reaches that was trained on the truth; nothing where there is none."""
    method = table.method(LARGER_ORACLE)
    larger = method.mean(_fine, sharpened=True) if method else None
    if larger is None:
        return
    closed = ""
    if ours is not None and bicubic is not None and bicubic > larger:
        closed = f"; of this gap ours closes {100 * (bicubic - ours) / (bicubic - larger):.3g} %"
    yield TargetRow(
        "  a larger network trained on the truth, sharpened",
        "fine-scale RMSE against bicubic VIIRS",
        None,
        None,
        _ratio(larger, bicubic),
        "x",
        (LARGER_ORACLE, _OURS, BICUBIC),
        _against(larger, bicubic) + closed,
    )


def _agreement(table: StandardTable) -> Iterator[TargetRow]:
    method = table.method(_OURS)
    cities = [each for each in method.cities if each.sharpened] if method else []
    task = "VIIRS and daytime bands (sharpening)"
    known = [city for city in cities if city.chi_square is not None]
    for figure, highest, values in (
        ("largest chi-square per pixel of observe(sharpened)", 1.2, [city.chi_square for city in known]),
        (
            "least share of pixels of observe(sharpened) within two standard deviations of the noise",
            None,
            [city.within_two_sigma for city in known],
        ),
    ):
        pairs = [(value, city) for value, city in zip(values, known, strict=True) if value is not None]
        worst = max(pairs, key=lambda pair: pair[0] if highest else -pair[0], default=None)
        yield TargetRow(
            task,
            figure,
            None,
            highest,
            worst[0] if worst else None,
            "" if highest else "%",
            (_OURS,),
            f"of all cities, in {worst[1].city}, planet {worst[1].planet_seed}" if worst else "",
        )
    total = max(cities, key=lambda city: city.total_error, default=None)
    yield TargetRow(
        task,
        "relative error of total light: observe(sharpened), added up over VIIRS pixels",
        None,
        0.001,
        total.total_error if total else None,
        "%",
        (_OURS,),
        f"the largest of all cities, in {total.city}, planet {total.planet_seed}" if total else "",
    )
    fine = [(city.fine_total_error, city) for city in cities if city.fine_total_error is not None]
    if not fine:
        return
    mean = _mean([error for error, _ in fine])
    true = _mean([city.truth_total_error for _, city in fine])
    beside = "" if true is None else f"; that of the hidden truth itself is {100 * true:.3g} %"
    yield TargetRow(
        "  the sharpened light itself, added up over analysis pixels",
        "relative error of total light against that of VIIRS",
        None,
        None,
        mean,
        "%",
        (_OURS,),
        f"mean over cities{beside}: light crosses the edge of a region, and VIIRS has noise",
    )


def _traps(table: StandardTable) -> Iterator[TargetRow]:
    """Mean radiance in the traps by the models of both continents against the study's, same patches."""
    methods = tuple(f"{kind}-{_KEYS[own]}" for own in CONTINENTS for kind in ("daytime", "study"))

    def mean(kind: str, chosen: Sequence[Trap]) -> float | None:
        found = [table.method(f"{kind}-{_KEYS[own]}") for own in CONTINENTS]
        return _trap_mean(found, chosen)

    study_rmse = _mean([_group_mean(table, f"study-{_KEYS[own]}", own) for own in CONTINENTS])
    unlearned = _unlearned(study_rmse, _mean([_group_mean(table, CONSTANT_MEAN, own) for own in CONTINENTS]))
    every: list[tuple[str, Sequence[Trap]]] = [("all of them", TRAPS), *((trap, (trap,)) for trap in TRAPS)]
    for name, chosen in every:
        ours, study = mean("daytime", chosen), mean("study", chosen)
        yield TargetRow(
            f"traps: {name}",
            "mean predicted radiance against the study's recipe",
            None,
            0.25,
            _ratio(ours, study),
            "x",
            methods,
            _against(ours, study),
            doubtful=bool(unlearned),
        )
    constant = _trap_mean([table.method(CONSTANT_MEAN)], TRAPS)
    yield TargetRow(
        "  one radiance everywhere, the mean of the training cities",
        "mean predicted radiance against the study's recipe",
        None,
        None,
        _ratio(constant, mean("study", TRAPS)),
        "x",
        (CONSTANT_MEAN, *methods),
        _against(constant, mean("study", TRAPS)),
    )


def _trap_mean(methods: Sequence[MethodFigures | None], chosen: Sequence[Trap]) -> float | None:
    """Sum of radiance over number of pixels, over the places of all methods; None where there is none."""
    sums = [
        each
        for method in methods
        if method
        for place in method.traps
        for each in place.sums
        if each.trap in chosen
    ]
    pixels = sum(each.pixels for each in sums)
    if None in methods or not pixels:
        return None
    return sum(each.predicted for each in sums) / pixels


def _coverage(table: StandardTable) -> Iterator[TargetRow]:
    """The intervals were made wide enough on validation cities, so those prove little themselves."""
    detail = "THE VERY CITIES THAT THE INTERVALS WERE CALIBRATED ON" if table.split == "validation" else ""
    for key, title in (("daytime", "daytime bands only"), (_OURS, "VIIRS and daytime bands")):
        method = table.method(key)
        shares = [
            city.covered / city.interval_pixels
            for city in (method.cities if method else [])
            if city.interval_pixels
        ]
        yield TargetRow(
            f"uncertainty, {title}",
            "share of measured VIIRS pixels within the 90 % intervals of the plain prediction, not sharpened",
            0.87,
            0.93,
            _mean(shares),
            "%",
            (key,),
            detail if shares else "",
        )
