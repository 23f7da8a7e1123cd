"""``nightlights demo``: the whole loop on the simulated planet, without a browser."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlights.commands.options import JsonOption, WorkspaceOption, settings
from nightlights.commands.output import print_json, print_table, say
from nightlights.commands.work import follow_job, record_of, run_job
from nightlights.wording import counted

if TYPE_CHECKING:
    from nightlights.manifests import JobKind, Record, Score, TrainingSettings
    from nightlights.workspace import Workspace

app = typer.Typer(add_completion=False)

_NETWORK = "unet-small"
_PREDICTED = "kinshasa"
_EPOCHS = 10
# Small patches in many steps learn most in the few minutes that a demonstration may take on two cores.
_SETTINGS = {"patches_per_region": 40, "patch_size": 128, "learning_rate": 3e-3}
_NOT_BETTER = 1


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the planet and of the training.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Number of epochs.")] = _EPOCHS,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew instead of going on where an earlier demo stopped.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Run the whole loop on the simulated planet: regions, export, training, scores, prediction, table.

    Takes some minutes on two CPU cores and needs no network. What an earlier demo finished is kept.

    Without --workspace, results are in the folder demo of the workspace; nightlights app shows them with
    --workspace and that folder. Exit code 1: the network did not beat the baselines on the held-out cities.
    """
    from nightlights.workspace import Workspace

    folder = workspace or settings(None).workspace / "demo"
    loop = _Loop(Workspace.open(folder.expanduser()), seed, epochs)
    if fresh:
        loop.clear()
    say(f"The whole loop on the simulated planet (seed {seed}), in {loop.workspace.root}")
    started = time.monotonic()
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Regions", loop.regions),
        ("Export", loop.export),
        ("Training and scores", loop.train),
        ("Prediction", loop.predict),
    )
    seconds = {}
    for title, step in steps:
        begun = time.monotonic()
        what = step()
        seconds[title] = round(time.monotonic() - begun, 1)
        say(f"{title}: {what} ({seconds[title]:.0f} s)")
    scores = loop.held_out_scores()
    begun = time.monotonic()
    reference = loop.reference_scores()
    if reference:
        seconds["Reference"] = round(time.monotonic() - begun, 1)
        say(f"Reference: {reference[0].method} on the held-out cities ({seconds['Reference']:.0f} s)")
    total = time.monotonic() - started
    better, verdict = _verdict(scores)
    if json:
        print_json(
            {
                "simulated": True,
                "better_than_baselines": better,
                "seconds": {**seconds, "total": round(total, 1)},
                "scores": [score.model_dump(mode="json") for score in scores],
                "reference": [score.model_dump(mode="json") for score in reference],
            }
        )
    else:
        _print([*scores, *reference], loop.workspace.root)
    say(f"{verdict} All of it took {total:.0f} s.")
    if not better:
        raise typer.Exit(_NOT_BETTER)


class _Loop:
    """The steps, each of which knows whether it has been done."""

    def __init__(self, workspace: "Workspace", seed: int, epochs: int) -> None:
        self.workspace = workspace
        self.seed = seed
        self.epochs = epochs
        self.name = "demo" if seed == 1 else f"demo-{seed}"
        self.prediction = f"{self.name}-{_PREDICTED}"

    def clear(self) -> None:
        place = self.workspace
        for folder in (
            place.dataset_folder(self.name),
            place.run_folder(self.name),
            place.prediction_folder(self.prediction),
        ):
            place.delete(folder)

    def regions(self) -> str:
        from nightlights.presets import PRESETS, combined
        from nightlights.region_files import save_collection

        save_collection(self.workspace, combined(["demo"], "demo"))
        preset = PRESETS["demo"]
        return f"{len(preset.with_role('train'))} cities to train on, 2 to evaluate on, 1 to predict"

    def export(self) -> str:
        from nightlights.manifests import ExportRequest

        if self.name in self.workspace.dataset_names():
            return "already there"
        request = record_of(ExportRequest, dataset=self.name, regions="demo", planet_seed=self.seed)
        self._job("export", request)
        size = sum(file.stat().st_size for file in self.workspace.dataset_folder(self.name).rglob("*.tif"))
        return f"nine bands at 29 m, VIIRS at 15 arc-seconds, {size / 1e6:,.0f} MB"

    def train(self) -> str:
        from nightlights.commands.scores import METRICS_FILE
        from nightlights.manifests import RunRecord, TrainingRequest, read_record

        folder = self.workspace.run_folder(self.name)
        wanted = self._settings()
        again = self.name in self.workspace.run_names()
        if again and read_record(folder / "run.json", RunRecord).settings != wanted:
            self.workspace.delete(folder)
            self.workspace.delete(self.workspace.prediction_folder(self.prediction))
            again = False
        if again and (folder / METRICS_FILE).is_file():
            return "already there"
        request = record_of(
            TrainingRequest, run=self.name, dataset=self.name, settings=wanted, overwrite=again
        )
        self._job("train", request, resume=again)
        record = read_record(folder / "run.json", RunRecord)
        epochs = counted(record.epochs_done, "epoch")
        return f"{_NETWORK}, {record.parameters:,} weights, {epochs} on {record.device}"

    def predict(self) -> str:
        from nightlights.manifests import PredictionRecord, PredictionRequest, read_record

        if self.prediction not in self.workspace.prediction_names():
            request = record_of(
                PredictionRequest, run=self.name, region=_PREDICTED, prediction=self.prediction
            )
            self._job("predict", request)
        folder = self.workspace.prediction_folder(self.prediction)
        layers = read_record(folder / "prediction.json", PredictionRecord).layers
        return f"Kinshasa, layers {', '.join(layers)}"

    def held_out_scores(self) -> "list[Score]":
        from nightlights.commands.scores import scores_of

        return [score for score in scores_of(self.workspace, self.name).scores if score.role == "evaluate"]

    def reference_scores(self) -> "list[Score]":
        """The model that ships in the same held-out cities; empty where none does."""
        from nightlights.manifests import (
            DatasetManifest,
            PredictionRecord,
            PredictionRequest,
            now,
            read_record,
        )
        from nightlights.shipped import first_shipped

        model = first_shipped()
        if model is None:
            return []
        manifest = read_record(self.workspace.dataset_folder(self.name) / "dataset.json", DatasetManifest)
        scores = []
        for region in (region.name for region in manifest.regions if region.role == "evaluate"):
            name = f"{self.name}-{region}-reference"
            request = record_of(
                PredictionRequest,
                run=model.run.name,
                dataset=self.name,
                region=region,
                prediction=name,
                overwrite=True,
            )
            path = self.workspace.prediction_folder(name) / "prediction.json"
            known = read_record(path, PredictionRecord) if path.is_file() else None
            if known is None or known.run != model.run.name or known.created <= (model.run.finished or now()):
                self._job("predict", request)
            found = read_record(path, PredictionRecord)
            if found.score:
                scores.append(found.score.model_copy(update={"method": model.run.name}))
        return [*scores, _pooled(scores)] if scores else []

    def _settings(self) -> "TrainingSettings":
        from nightlights.manifests import TrainingSettings
        from nightlights.networks.registry import network_info
        from nightlights.training_settings import counted_patches

        chosen: dict[str, Any] = network_info(_NETWORK).settings.model_dump()
        chosen |= {**counted_patches(_SETTINGS), "epochs": self.epochs, "seed": self.seed}
        return record_of(TrainingSettings, **chosen)

    def _job(self, kind: "JobKind", request: "Record", resume: bool = False) -> None:
        """Do the work here, or go on with the job that an earlier demo left."""
        from nightlights.jobs import JobStore

        store = JobStore(self.workspace)
        left = [job for job in store.list(kind) if job.target == self.name and job.resumable]
        if resume and left:
            follow_job(self.workspace, store.resume(left[0].id).id)
        else:
            run_job(self.workspace, kind, request)


def _pooled(scores: "list[Score]") -> "Score":
    """RMSE, MAE and bias over the pixels of all regions, from those of each."""
    from nightlights.metrics import ALL_REGIONS

    pixels = sum(score.pixels for score in scores)

    def mean(values: Iterable[float]) -> float:
        return sum(value * score.pixels for value, score in zip(values, scores, strict=True)) / pixels

    # What does not follow from the figures of the regions is left out.
    figures: dict[str, Any] = {"r2": None, "log_rmse": None, "spearman": None, "intervals": None}
    figures |= {"classes": None, "fine": None, "region": ALL_REGIONS, "pixels": pixels}
    figures |= {
        "rmse": mean(score.rmse**2 for score in scores) ** 0.5,
        "mae": mean(score.mae for score in scores),
        "bias": mean(score.bias for score in scores),
        "mean_predicted": mean(score.mean_predicted for score in scores),
        "mean_measured": mean(score.mean_measured for score in scores),
    }
    return scores[0].model_copy(update=figures)


def _verdict(scores: "list[Score]") -> tuple[bool, str]:
    """Whether the network errs less than the baselines over all held-out pixels, and what to say of it."""
    from nightlights.baselines import CONSTANT_MEAN, LINEAR_REGRESSION
    from nightlights.metrics import ALL_REGIONS
    from nightlights.regressions import FOOTPRINT_REGRESSION

    pooled = {score.method: score for score in scores if score.region == ALL_REGIONS}
    own = pooled.pop(_NETWORK)
    # Its parts, each alone, are no baselines, and the regression is what it begins from.
    baselines = {method: pooled[method] for method in (CONSTANT_MEAN, LINEAR_REGRESSION) if method in pooled}
    others = " and ".join(f"{score.rmse:.2f} of the {method}" for method, score in baselines.items())
    better = all(own.rmse < score.rmse for score in baselines.values())
    word = "better than" if better else "NOT better than"
    begun = pooled.get(FOOTPRINT_REGRESSION)
    start = f" The footprint regression from which it begins has {begun.rmse:.2f}." if begun else ""
    return better, (
        f"On held-out simulated cities the network's RMSE is {own.rmse:.2f} {own.unit}, "
        f"{word} {others}.{start}"
    )


def _print(scores: "list[Score]", folder: Path) -> None:
    from nightlights.commands.scores import figures_of
    from nightlights.metrics import ALL_REGIONS

    unit = scores[0].unit
    print_table(
        f"Simulated planet, held-out cities, VIIRS grid, in {unit}",
        ("region", "method", f"RMSE {unit}", f"MAE {unit}", f"bias {unit}", "R²", "VIIRS pixels"),
        (
            (score.region, score.method, *figures_of(score))
            for score in sorted(scores, key=lambda score: (score.region == ALL_REGIONS, score.region))
        ),
        "shipped-...: the model that ships with the project, for reference; its settings were chosen on "
        "validation cities, of which these are some. All imagery is simulated. Look at it: nightlights app "
        f"--workspace {folder}",
    )
