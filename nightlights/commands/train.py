"""``nightlights train``: a dataset to a trained, evaluated run."""

from typing import Annotated, Any

import typer

from nightlights.commands.defaults import DEFAULT_NETWORK, default_setting
from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    writable_workspace,
)
from nightlights.commands.output import print_json
from nightlights.commands.scores import print_scores
from nightlights.commands.work import record_of, run_job, start_job
from nightlights.wording import FIRST_OUTPUT, counted

app = typer.Typer(add_completion=False)


def _setting(field: str, text: str, *names: str, advanced: bool = False) -> Any:
    """The option of a training setting; its help ends with the default of each network."""
    panel = "Advanced" if advanced else None
    return typer.Option(*names, help=f"{text} {default_setting(field)}", rich_help_panel=panel)


@app.command()
def train(
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")],
    run: Annotated[str, typer.Option(help="Name of the run to make.")],
    network: Annotated[
        str | None, typer.Option(help=f"Network, see: nightlights networks. Default: {DEFAULT_NETWORK}.")
    ] = None,
    epochs: Annotated[
        int | None,
        _setting("epochs", "Number of epochs."),
    ] = None,
    patches_per_region: Annotated[
        int | None,
        _setting("patches_per_region", "Patches from each region in an epoch."),
    ] = None,
    passes: Annotated[
        float | None,
        _setting(
            "passes",
            "Times that training goes over the footprints of VIIRS in its regions, from which the patches "
            "follow; 0, or --patches-per-region, counts patches instead.",
        ),
    ] = None,
    patch_size: Annotated[
        int | None,
        _setting("patch_size", "Side of a patch in 29 m pixels, a multiple of 16."),
    ] = None,
    batch_size: Annotated[
        int | None,
        _setting("batch_size", "Patches in a training step."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        _setting("learning_rate", "Highest learning rate."),
    ] = None,
    optimizer: Annotated[
        str | None,
        _setting("optimizer", "SGD, Adam or AdamW."),
    ] = None,
    loss: Annotated[
        str | None,
        _setting(
            "loss",
            "pixel-squared-error, pixel-absolute-error, pixel-Huber, footprint-squared-error, "
            "footprint-Huber or mixture.",
        ),
    ] = None,
    label_resampling: Annotated[
        str | None,
        _setting("label_resampling", "VIIRS at 29 m for pixel losses: nearest or bilinear."),
    ] = None,
    rotate: Annotated[
        bool | None,
        _setting("rotate", "Turn patches by quarters at random.", "--rotate/--no-rotate"),
    ] = None,
    mirror: Annotated[
        bool | None,
        _setting("mirror", "Mirror patches at random.", "--mirror/--no-mirror"),
    ] = None,
    seed: Annotated[
        int | None,
        _setting("seed", "Seed of weights, patches and augmentation."),
    ] = None,
    train_regions: Annotated[
        str | None,
        _setting("train_regions", "Regions to train on, separated by commas."),
    ] = None,
    evaluate_regions: Annotated[
        str | None,
        _setting("evaluate_regions", "Regions to evaluate on, separated by commas."),
    ] = None,
    maximum_missing_share: Annotated[
        float | None,
        _setting("maximum_missing_share", "Largest missing share of a training patch, 0 to 1."),
    ] = None,
    evaluation_patches: Annotated[
        int | None,
        _setting("evaluation_patches", "Fixed patches for each RMSE curve."),
    ] = None,
    footprint_share: Annotated[
        float | None,
        _setting("footprint_share", "Share of the footprint loss in a mixture, 0 to 1.", advanced=True),
    ] = None,
    label: Annotated[
        str | None,
        _setting(
            "label",
            "What a pixel loss compares with: VIIRS, or truth, the hidden radiance of simulated imagery.",
            advanced=True,
        ),
    ] = None,
    point_spread: Annotated[
        str | None,
        _setting(
            "point_spread",
            "Point spread of VIIRS: fixed, as in the dataset, or learned, for footprint losses and mixtures.",
            advanced=True,
        ),
    ] = None,
    viirs_input: Annotated[
        bool | None,
        _setting(
            "viirs_input",
            "Read smoothed VIIRS beside the daytime bands.",
            "--viirs-input/--no-viirs-input",
            advanced=True,
        ),
    ] = None,
    guide: Annotated[
        str | None,
        _setting(
            "guide",
            "footprint-regression: the network multiplies a regression, fitted first, by a bounded factor, "
            "so that its light cannot explode; none: the network alone.",
            advanced=True,
        ),
    ] = None,
    residual_limit: Annotated[
        float | None,
        _setting(
            "residual_limit",
            "Largest natural logarithm of that factor, up to 5: 0.7 allows half to double the light.",
            advanced=True,
        ),
    ] = None,
    residual_share: Annotated[
        float | None,
        _setting(
            "residual_share",
            "Share of that logarithm that predictions keep, 0 to 1. Choosing it takes half a training.",
            advanced=True,
        ),
    ] = None,
    light_cap: Annotated[
        float | None,
        _setting(
            "light_cap",
            "Largest predicted light, as a multiple of the brightest VIIRS pixel of the training regions; "
            "0 for no limit.",
            advanced=True,
        ),
    ] = None,
    compress_tails: Annotated[
        bool | None,
        _setting(
            "compress_tails",
            "Take an inverse hyperbolic sine of bands with heavy tails, such as population, before they are "
            "scaled.",
            "--compress-tails/--no-compress-tails",
            advanced=True,
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        _setting(
            "decoder",
            "How a U-Net with a guide enlarges: transposed (convolutions), or resize, which doubles each "
            "pixel before a convolution and leaves no checkerboard.",
            advanced=True,
        ),
    ] = None,
    texture_networks: Annotated[
        int | None,
        _setting(
            "texture_networks",
            "Pixel networks trained beside the network: they place the light within footprints, whose amount "
            "the network predicts; 0 for none.",
        ),
    ] = None,
    first_output: Annotated[
        str | None,
        _setting("first_output", f"First output, as-drawn or mean-radiance. {FIRST_OUTPUT}", advanced=True),
    ] = None,
    schedule: Annotated[
        str | None,
        _setting(
            "schedule",
            "Learning rate over time: constant, cosine, or plateau, which halves it after 3 epochs "
            "without a better training loss.",
            advanced=True,
        ),
    ] = None,
    gradient_norm: Annotated[
        float | None,
        _setting("gradient_norm", "Largest norm of the gradient, 0 for any.", advanced=True),
    ] = None,
    weight_decay: Annotated[
        float | None,
        _setting("weight_decay", "Weight decay of AdamW, 0 to 1.", advanced=True),
    ] = None,
    weight_averaging: Annotated[
        float | None,
        _setting(
            "weight_averaging",
            "Share that a step keeps of the moving average of the weights, which is scored and "
            "saved; 0 for none.",
            advanced=True,
        ),
    ] = None,
    sharpening_contrast: Annotated[
        float | None,
        _setting(
            "sharpening_contrast",
            "Power of the prediction from which sharpening takes its texture, 0.1 to 2: above 1 for "
            "a prediction whose contrasts are too weak. Changes no weight.",
            advanced=True,
        ),
    ] = None,
    early_stopping: Annotated[
        int | None,
        _setting(
            "early_stopping",
            "End after so many epochs without a better evaluation RMSE, and keep the best epoch; "
            "the evaluation regions are then no test of the model.",
            advanced=True,
        ),
    ] = None,
    notes: Annotated[str, typer.Option(help="A note kept with the run.")] = "",
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Train a network on a dataset, then score it and its baselines at the VIIRS grid.

    Ctrl-C stops after the last finished epoch; the line it prints goes on from there.
    """
    from nightlights.manifests import RunRecord, TrainingRequest, TrainingSettings, read_record
    from nightlights.networks.registry import network_info
    from nightlights.training_settings import counted_patches

    info = network_info(network or DEFAULT_NETWORK)
    given: dict[str, Any] = {
        "network": info.name,
        "epochs": epochs,
        "patches_per_region": patches_per_region,
        "passes": passes,
        "patch_size": patch_size,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer": choice("optimizer", optimizer),
        "loss": choice("loss", loss),
        "label_resampling": choice("label_resampling", label_resampling),
        "rotate": rotate,
        "mirror": mirror,
        "seed": seed,
        "train_regions": names(train_regions),
        "evaluate_regions": names(evaluate_regions),
        "maximum_missing_share": maximum_missing_share,
        "evaluation_patches": evaluation_patches,
        "footprint_share": footprint_share,
        "label": choice("label", label),
        "point_spread": choice("point_spread", point_spread),
        "viirs_input": viirs_input,
        "guide": choice("guide", guide),
        "residual_limit": residual_limit,
        "residual_share": residual_share,
        "light_cap": light_cap,
        "compress_tails": compress_tails,
        "decoder": choice("decoder", decoder),
        "texture_networks": texture_networks,
        "first_output": choice("first_output", first_output),
        "schedule": choice("schedule", schedule),
        "gradient_norm": gradient_norm,
        "weight_decay": weight_decay,
        "weight_averaging": weight_averaging,
        "sharpening_contrast": sharpening_contrast,
        "early_stopping": early_stopping,
    }
    chosen = counted_patches({name: value for name, value in given.items() if value is not None})
    settings = record_of(TrainingSettings, **{**info.settings.model_dump(), **chosen})
    request = record_of(
        TrainingRequest, run=run, dataset=dataset, settings=settings, notes=notes, overwrite=overwrite
    )
    place = writable_workspace(workspace)
    title = f"Train {run}"
    if background:
        start_job(place, "train", request, json=json, title=title)
        return
    run_job(place, "train", request, title=title)
    folder = place.run_folder(run)
    record = read_record(folder / "run.json", RunRecord)
    if json:
        from nightlights.commands.scores import scores_of

        scores = scores_of(place, run)
        print_json(
            {
                "run": record.model_dump(mode="json"),
                "scores": [score.model_dump(mode="json") for score in scores.scores],
            }
        )
        return
    typer.echo(
        f"Run {run}: {counted(record.epochs_done, 'epoch')} of {record.settings.network} "
        f"({record.parameters:,} weights){_textures(record.settings.texture_networks)} "
        f"in {record.seconds:,.0f} s on {record.device}{record.caveats}."
    )
    print_scores(place, run)


def _textures(count: int) -> str:
    return f" and {counted(count, 'texture network')}" if count else ""


def names(text: str | None) -> list[str] | None:
    """The names in a list with commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def choice(field: str, text: str | None) -> str | None:
    """The choice of ``field`` that ``text`` means: hyphens may stand for spaces, case does not matter."""
    from typing import get_args

    from nightlights.errors import SettingsError
    from nightlights.manifests import TrainingSettings

    if text is None:
        return None
    annotation = TrainingSettings.model_fields[field].annotation
    # Where it may be left open, the choices stand beside None.
    parts = [get_args(part) or (part,) for part in get_args(annotation)]
    choices = [name for part in parts for name in part if isinstance(name, str)]
    wanted = text.replace("-", " ").casefold()
    for choice in choices:
        if str(choice).casefold() == wanted:
            return str(choice)
    option, known = field.replace("_", "-"), ", ".join(str(choice).replace(" ", "-") for choice in choices)
    raise SettingsError(f"--{option} cannot be {text[:80]!r}.", f"Choose one of {known}.")
