"""``nightlights predict``: the light of a region as Cloud Optimized GeoTIFFs."""

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    writable_workspace,
)
from nightlights.commands.output import print_json, print_table, say
from nightlights.commands.scores import SIMULATED, cell
from nightlights.commands.work import record_of, run_job, start_job
from nightlights.errors import NightlightsError, SettingsError
from nightlights.scores import LARGEST_EXPONENT

if TYPE_CHECKING:
    from nightlights.manifests import PredictionRecord
    from nightlights.workspace import Workspace

app = typer.Typer(add_completion=False)


@app.command()
def predict(
    run: Annotated[str, typer.Option(help="Name of the run whose model predicts.")],
    region: Annotated[str, typer.Option(help="Region of the dataset to predict.")],
    dataset: Annotated[str | None, typer.Option(help="Dataset. Default: the one the run trained on.")] = None,
    prediction: Annotated[
        str | None,
        typer.Option(
            help="Name of the prediction to make. Default: RUN-REGION; with other hyphens, the dataset or a "
            "digest where another prediction could have that name."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Also copy a layer to this GeoTIFF.", metavar="FILE")
    ] = None,
    layer: Annotated[
        str,
        typer.Option(
            help="Layer for --output: prediction, sharpened, observed, difference, viirs, daytime, truth; of "
            "a calibrated model also lower, upper or uncertainty."
        ),
    ] = "prediction",
    sharpen: Annotated[
        bool,
        typer.Option(help="Also correct the prediction until VIIRS agrees with it, but for its noise."),
    ] = True,
    exponent: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=LARGEST_EXPONENT,
            help="How far sharpening trusts the texture of the prediction: 0 is interpolated VIIRS, 1 takes "
            "its contrasts as they are. Unless given, the region's own VIIRS decides, moved up in scale.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Predict night-time radiance at 29 m for a region, in tiles, at any size."""
    from nightlights.manifests import PredictionRecord, PredictionRequest, read_record
    from nightlights.wording import sharpening_words

    target = None if output is None else output.expanduser()
    if target is not None and (target.is_dir() or not target.absolute().parent.is_dir()):
        raise SettingsError(f"--output cannot be {output}: no such folder, or a folder.", "Name a file.")
    if target is not None and background:
        raise SettingsError("--output cannot go with --background.", "Copy the layer when the job is done.")
    place = writable_workspace(workspace)
    name = prediction or _default_name(place, run, dataset, region)
    request = record_of(
        PredictionRequest,
        run=run,
        region=region,
        dataset=dataset,
        prediction=name,
        sharpen=sharpen,
        exponent=exponent,
        overwrite=overwrite,
    )
    _check_model(place, run, dataset)
    title = f"Predict {region} with {run}"
    if background:
        start_job(place, "predict", request, json=json, title=title)
        return
    run_job(place, "predict", request, title=title)
    folder = place.prediction_folder(name)
    record = read_record(folder / "prediction.json", PredictionRecord)
    if target is not None:
        _copy(folder, record.layers, layer, target)
    if json:
        files = {key: str(folder / file) for key, file in record.layers.items()}
        extra = {"files": files, "output": None if target is None else str(target)}
        print_json({**record.model_dump(mode="json"), **extra})
        return
    note = " Simulated imagery." if record.source.simulated else ""
    if record.score:
        figures = f"RMSE {record.score.rmse:.3f}, bias {record.score.bias:+.3f} {record.unit}"
        typer.echo(f"{name}: {figures} over {record.score.pixels:,} VIIRS pixels.{note}")
    if record.sharpening:
        for line in sharpening_words(record.sharpening, record.fine_scores):
            typer.echo(line)
    if record.fine_scores:
        _print_fine(record)
    typer.echo(f"Layers {', '.join(record.layers)} in {folder}")
    if target is not None:
        say(f"Wrote {target}.")


def _print_fine(record: "PredictionRecord") -> None:
    """Every method against the truth, of the simulated planet or of one's own."""
    from nightlights.metrics import CLASSES

    own, names = record.fine_truth, [each.name for each in CLASSES]
    classes = [{each.name: each.rmse for each in score.classes or []} for score in record.fine_scores]
    head = (
        f"Simulated planet: {record.region} at 29 m against the true radiance"
        if own is None
        else f"{record.region} against {own.label[0].lower()}{own.label[1:]}"
    )
    print_table(
        f"{head}, in {record.unit}",
        ("method", "fine RMSE", *names, "MAE", "bias", "SSIM", "Spearman", "lit-area F1", "pixels"),
        (
            (
                each.title,
                cell(each.fine.rmse),
                *(cell(rmse.get(name)) for name in names),
                cell(each.fine.mae),
                f"{each.fine.bias:+z.3f}",
                cell(each.fine.ssim),
                cell(each.spearman),
                cell(each.fine.lit_f1),
                f"{each.fine.pixels:,}",
            )
            for each, rmse in zip(record.fine_scores, classes, strict=True)
        ),
        "RMSE (also by the radiance of the truth: dark, dim, bright), MAE and bias are in the unit above; "
        "SSIM, Spearman and F1 have none. What is sharpened or interpolated was made with the VIIRS image of "
        f"the region. {SIMULATED if own is None else ' '.join(own.sentences)}",
    )


def _default_name(place: "Workspace", run: str, dataset: str | None, region: str) -> str:
    """The name of the prediction where none is given."""
    from nightlights.prediction_names import prediction_name
    from nightlights.shipped import usable_model

    own = dataset or ""
    # A run that does not exist is refused later, after the names are checked.
    with contextlib.suppress(NightlightsError):
        own = usable_model(place, run)[1].dataset
    return prediction_name(place, run, own, dataset or own, region)


def _check_model(place: "Workspace", run: str, dataset: str | None) -> None:
    """Refuse a run that does not exist, and a shipped model, which has no imagery, without a dataset."""
    from nightlights.shipped import shipped_model, usable_model

    usable_model(place, run)
    model = None if dataset else shipped_model(run)
    names = place.dataset_names()
    if model is not None and model.run.dataset not in names:
        known = ", ".join(names) or "none yet; make one: nightlights export"
        raise SettingsError(
            f"{run} is a model that ships and needs a dataset of yours.",
            f"Add --dataset NAME. Datasets: {known}.",
        )


def _copy(folder: Path, layers: dict[str, str], layer: str, target: Path) -> None:
    from nightlights.files import replacing

    if layer not in layers:
        remedy = "Leave out --no-sharpen." if layer == "sharpened" else f"Choose one of {', '.join(layers)}."
        raise SettingsError(f"The prediction has no layer {layer[:80]!r}.", remedy)
    with replacing(target) as partial:
        shutil.copyfile(folder / layers[layer], partial)
