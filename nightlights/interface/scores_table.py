"""Runs and their scores as tables: a row a run, a row a method, units in the headers."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from nightlights.bands import RADIANCE_UNIT
from nightlights.experiments import Experiment
from nightlights.manifests import MethodFineScore, Score, TrainingSettings
from nightlights.metrics import ALL_REGIONS, BRIGHT_FROM, DIM_FROM, LIT_FROM
from nightlights.wording import rounded

BASELINES = ("constant mean", "linear regression", "footprint regression")
_PADDING_PX, _CHARACTER_PX = 24, 8
"""For the names of regions: by itself the table measures its first rows, and cuts longer names below."""
_HELP = {
    "RMSE": "Root mean squared error at the VIIRS grid. Smaller is better.",
    "MAE": "Mean absolute error at the VIIRS grid. Smaller is better.",
    "Bias": "Mean of prediction minus measurement: above 0, too much light was predicted.",
    "R²": "Share of the variance of VIIRS explained: 1 is perfect, 0 no better than the mean.",
}
_MORE_HELP = {
    "RMSE 95 %": "95 % confidence interval of the RMSE, by spatial block bootstrap: blocks of 8 x 8 VIIRS "
    "pixels are drawn again and again, with replacement.",
    "RMSE, dark": f"RMSE where VIIRS measured less than {DIM_FROM:g} {RADIANCE_UNIT}.",
    "RMSE, dim": f"RMSE where VIIRS measured {DIM_FROM:g} to {BRIGHT_FROM:g} {RADIANCE_UNIT}.",
    "RMSE, bright": f"RMSE where VIIRS measured {BRIGHT_FROM:g} {RADIANCE_UNIT} or more.",
    "RMSE, fine": "Against the true radiance: of the simulated planet at 29 m, or of a raster of your own at "
    "the coarser scale of the two.",
    "log-RMSE": "RMSE of the natural logarithm of 1 + radiance: weighs dark places as bright ones. No unit.",
    "RMSE, level known": "RMSE once one factor for each region has given the prediction the mean of VIIRS: "
    "what is left of the error where the level of a country is known, which cannot be seen by day.",
    "Spearman": "Correlation of the ranks of prediction and VIIRS: 1 is the right order. No unit.",
    "SSIM": "Structural similarity to the true ln(1 + radiance): 1 is perfect. No unit.",
    "Lit F1": f"Agreement of the area lit by {LIT_FROM:g} {RADIANCE_UNIT} or more with the truth: "
    "1 is perfect. No unit.",
}
_FINE_CLASSES = {
    "dark": f"less than {DIM_FROM:g} {RADIANCE_UNIT}",
    "dim": f"{DIM_FROM:g} to {BRIGHT_FROM:g} {RADIANCE_UNIT}",
    "bright": f"{BRIGHT_FROM:g} {RADIANCE_UNIT} or more",
}
_INTERVAL = "RMSE, 95 % confidence interval"
_RATIO = "RMSE ratio"
_REGIONS = ("Training regions", "Evaluation regions")
_HELD_OUT = "All evaluation regions together."


def run_rows(experiments: Sequence[Experiment]) -> pd.DataFrame:
    """A row a run, in the given order: name, state, figures, settings."""
    # Names of many regions are cut in a cell: the page lists them beside the table.
    rows = pd.DataFrame(
        [{**row, **{title: len(row[title]) for title in _REGIONS}} for row in map(_row, experiments)]
    )
    unknown = [] if any(each.series for each in experiments) else ["Part of"]
    # Runs of an older version were not compared with it.
    newer = f"RMSE, {BASELINES[-1]}"
    if newer in rows and rows[newer].isna().all():
        unknown.append(newer)
    return rows.drop(columns=unknown, errors="ignore")


def _row(experiment: Experiment) -> dict[str, Any]:
    run, settings = experiment.record, experiment.record.settings
    own, trained_on = experiment.score("evaluate"), experiment.score("train")
    baselines = {method: experiment.score("evaluate", method) for method in BASELINES}
    return {
        "Run": run.name,
        "Part of": experiment.series,
        "State": experiment.state_text,
        "RMSE": own.rmse if own else run.evaluation_rmse,
        **{f"RMSE, {method}": score.rmse if score else None for method, score in baselines.items()},
        "RMSE, training": trained_on.rmse if trained_on else run.train_rmse,
        "MAE": own.mae if own else None,
        "Bias": rounded(own.bias, 3) if own else None,
        "R²": rounded(own.r2, 3) if own else None,
        "Whole regions": own is not None,
        "Network": settings.network,
        "Dataset": run.dataset,
        "Simulated": run.source.simulated,
        "Epochs": f"{run.epochs_done} of {settings.epochs}",
        "Patches a region": run.patches // max(len(run.train_regions), 1) or settings.patches_per_region,
        "Patch size": settings.patch_size,
        "Batch size": settings.batch_size,
        "Learning rate": settings.learning_rate,
        "Optimizer": settings.optimizer,
        "Loss": settings.loss,
        "Augmentation": augmentation(settings),
        "Seed": settings.seed,
        "Training regions": run.train_regions,
        "Evaluation regions": run.evaluate_regions,
        "Weights": run.parameters,
        "Device": run.device,
        "Minutes": run.seconds / 60,
        "Created": run.created,
        "Notes": run.notes,
    }


def augmentation(settings: TrainingSettings) -> str:
    """Rotation and mirroring in words."""
    words = [word for word, on in (("rotate", settings.rotate), ("mirror", settings.mirror)) if on]
    return " and ".join(words) or "none"


def run_columns() -> dict[str, Any]:
    """How the columns of :func:`run_rows` are shown."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn

    def figure(title: str, meaning: str) -> Any:
        return number(f"{title} ({RADIANCE_UNIT})", format="%.3f", help=meaning)

    return {
        "Run": text("Run", pinned=True),
        "Part of": text("Part of", help="The sweep or cross-validation that trained it."),
        "State": text("State", width="small"),
        "RMSE": figure("RMSE", f"{_HELP['RMSE']} {_HELD_OUT}"),
        **{
            f"RMSE, {method}": figure(f"{method} RMSE", f"The baseline to beat. {_HELD_OUT}")
            for method in BASELINES
        },
        "RMSE, training": figure(
            "training RMSE", "On the training regions: far below the first means that the network overfits."
        ),
        "MAE": figure("MAE", f"{_HELP['MAE']} {_HELD_OUT}"),
        "Bias": figure("Bias", f"{_HELP['Bias']} {_HELD_OUT}"),
        "R²": number("R²", format="%.3f", help=f"{_HELP['R²']} {_HELD_OUT}"),
        "Whole regions": st.column_config.CheckboxColumn(
            "Whole regions",
            help="Scored over whole regions. Else the RMSE is that of the fixed patches of the curve.",
        ),
        "Simulated": st.column_config.CheckboxColumn("Simulated", help="From the simulated planet."),
        "Patch size": number("Patch size (pixels)"),
        **{
            title: number(title, help="How many; their names stand under Notes and scores.")
            for title in _REGIONS
        },
        "Learning rate": number("Learning rate", format="%.5g"),
        "Weights": number("Weights", format="localized", help="Trainable parameters of the network."),
        "Minutes": number("Time (minutes)", format="%.1f", help="Spent on training."),
        "Created": st.column_config.DatetimeColumn("Created (UTC)", format="YYYY-MM-DD HH:mm"),
        "Notes": text("Notes", width="large"),
    }


def filtered(experiments: Sequence[Experiment], text: str) -> list[Experiment]:
    """Those in whose row every word of ``text`` occurs, in any case."""
    words = text.lower().split()
    rows = [" ".join(str(value) for value in _row(experiment).values()).lower() for experiment in experiments]
    return [
        experiment
        for experiment, row in zip(experiments, rows, strict=True)
        if all(word in row for word in words)
    ]


def score_rows(scores: Sequence[Score]) -> pd.DataFrame:
    """A row a region and method: held-out regions first, all together before each, the network first.

    Figures that no score has, as those of an older version, have no column.
    """
    ordered = sorted(
        scores,
        key=lambda score: (
            score.role or "predict",
            score.region != ALL_REGIONS,
            score.region,
            score.method in BASELINES,
            score.method,
        ),
    )
    rows = [
        {
            "Region": score.region,
            "Role": score.role or "",
            "Method": score.method,
            "RMSE": score.rmse,
            "MAE": score.mae,
            "Bias": rounded(score.bias, 3),
            "R²": rounded(score.r2, 3),
            **more_figures(score),
            "Mean predicted": score.mean_predicted,
            "Mean of VIIRS": score.mean_measured,
            "VIIRS pixels": score.pixels,
        }
        for score in ordered
    ]
    unknown = {title for title in _MORE_HELP if all(row[title] is None for row in rows)}
    return pd.DataFrame(
        [{title: value for title, value in row.items() if title not in unknown} for row in rows]
    )


def fine_rows(scores: Sequence[MethodFineScore], reference: str) -> pd.DataFrame:
    """A row a method, in the given order; the RMSE also as a fraction of that of ``reference``.

    Columns of figures that no score has, as those of an older version, are left out.
    """
    against = next((each.fine.rmse for each in scores if each.method == reference and not each.sharpened), 0)
    classes = [{each.name: each.rmse for each in score.classes or []} for score in scores]
    rows = pd.DataFrame(
        {
            "Method": each.title,
            "RMSE": each.fine.rmse,
            _RATIO: each.fine.rmse / against if against else None,
            **{f"RMSE, {name}": rmse.get(name) for name in _FINE_CLASSES},
            "MAE": each.fine.mae,
            "Bias": rounded(each.fine.bias, 3),
            "SSIM": rounded(each.fine.ssim, 3),
            "Spearman": rounded(each.spearman, 3),
            "Lit F1": rounded(each.fine.lit_f1, 3),
            "Pixels": each.fine.pixels,
        }
        for each, rmse in zip(scores, classes, strict=True)
    )
    newer = [*(f"RMSE, {name}" for name in _FINE_CLASSES), "Spearman"]
    return rows.drop(columns=[title for title in newer if title in rows and rows[title].isna().all()])


def fine_columns(reference: str, scale_m: float | None = None) -> dict[str, Any]:
    """How the columns of :func:`fine_rows` are shown; ``scale_m`` is that of a truth of one's own."""
    number = st.column_config.NumberColumn
    side = f"{scale_m or 29:.0f} m"
    truth = "simulated truth" if scale_m is None else "fine truth"
    meanings = {
        "RMSE": f"Root mean squared error of single {side} pixels. Smaller is better.",
        **{f"RMSE, {name}": f"RMSE where the truth has {span}." for name, span in _FINE_CLASSES.items()},
        "MAE": f"Mean absolute error of single {side} pixels. Smaller is better.",
        "Bias": f"Mean of the method minus the {truth}: above 0, too much light.",
    }
    return {
        "Method": st.column_config.TextColumn("Method", pinned=True),
        **{
            title: number(f"{title} at {side} ({RADIANCE_UNIT})", format="%.3f", help=meaning)
            for title, meaning in meanings.items()
        },
        _RATIO: number(f"RMSE / {reference}", format="%.2f", help=f"RMSE as a share of that of {reference}."),
        **{title: number(title, format="%.3f", help=_MORE_HELP[title]) for title in ("SSIM", "Lit F1")},
        "Spearman": number(
            "Spearman", format="%.3f", help=f"Correlation of ranks with the {truth}: 1 is the right order."
        ),
        "Pixels": number(f"{side} pixels", format="localized"),
    }


def more_figures(score: Score) -> dict[str, float | str | None]:
    """Figures beyond the usual, by title; None for what is not known."""
    interval = score.intervals.rmse if score.intervals else None
    classes = {each.name: each.rmse for each in score.classes or []}
    fine = score.fine
    return {
        "RMSE 95 %": f"{interval.lower:.3g} to {interval.upper:.3g}" if interval else None,
        **{f"RMSE, {name}": classes.get(name) for name in ("dark", "dim", "bright")},
        "RMSE, fine": fine.rmse if fine else None,
        "log-RMSE": score.log_rmse,
        "Spearman": rounded(score.spearman, 3),
        "RMSE, level known": score.rmse_level_known,
        "SSIM": fine.ssim if fine else None,
        "Lit F1": fine.lit_f1 if fine else None,
    }


def meaning_of(title: str) -> str:
    """What a figure of :func:`more_figures` means."""
    return _MORE_HELP[title]


def titled(title: str) -> str:
    """The title of a figure of :func:`more_figures`, with its unit where it has one."""
    named = _INTERVAL if title == "RMSE 95 %" else title
    return f"{named} ({RADIANCE_UNIT})" if title.startswith("RMSE") else named


def score_columns(scores: Sequence[Score] = ()) -> dict[str, Any]:
    """How the columns of :func:`score_rows` are shown, with room for the names of the regions."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    longest = max((len(score.region) for score in scores), default=0)
    columns: dict[str, Any] = {"Region": text("Region", width=_PADDING_PX + _CHARACTER_PX * longest)}
    columns |= {
        title: number(f"{title} ({RADIANCE_UNIT})", format="%.3f", help=_HELP.get(title))
        for title in ("RMSE", "MAE", "Bias", "Mean predicted", "Mean of VIIRS")
    }
    columns |= {
        title: number(titled(title), format="%.3f", help=meaning) for title, meaning in _MORE_HELP.items()
    }
    columns["RMSE 95 %"] = text(titled("RMSE 95 %"), help=_MORE_HELP["RMSE 95 %"])
    columns["VIIRS pixels"] = number(format="localized")
    return columns | {"R²": number("R²", format="%.3f", help=_HELP["R²"])}
