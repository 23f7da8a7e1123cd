"""``nightlights crossvalidate``: every region held out of training once."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlights.commands.defaults import DEFAULT_NETWORK
from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    readable_workspace,
    writable_workspace,
)
from nightlights.commands.output import print_json, print_table
from nightlights.commands.scores import (
    FIGURES,
    MORE_FIGURES,
    SIMULATED,
    figures_of,
    legend,
    more_figures_of,
)
from nightlights.commands.train import choice, names
from nightlights.commands.work import record_of, run_job, start_job
from nightlights.errors import SettingsError

if TYPE_CHECKING:
    from nightlights.manifests import CrossValidationRecord
    from nightlights.workspace import Workspace

app = typer.Typer(add_completion=False)


@app.command()
def crossvalidate(
    name: Annotated[str, typer.Option(help="Name to give it; its runs begin with it.")],
    dataset: Annotated[str | None, typer.Option(help="Name of the dataset. Default: that of --like.")] = None,
    like: Annotated[
        str | None, typer.Option(help="A run whose dataset and settings to take.", metavar="RUN")
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(
            help="Regions to hold out, one at a time, separated by commas; the others still take part in "
            "every training. Default: every region of role train or evaluate."
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help=f"Network, see: nightlights networks. Default: that of --like, or {DEFAULT_NETWORK}."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Number of epochs of each training.")] = None,
    patches_per_region: Annotated[
        int | None, typer.Option(help="Patches from each region in an epoch.")
    ] = None,
    patch_size: Annotated[int | None, typer.Option(help="Side of a patch in 29 m pixels.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Patches in a training step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    loss: Annotated[str | None, typer.Option(help="See: nightlights train --help.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, patches and augmentation.")] = None,
    bootstrap_seed: Annotated[int, typer.Option(min=0, help="Seed of the confidence intervals.")] = 1,
    show: Annotated[bool, typer.Option("--show", help="Only print the scores of a finished one.")] = False,
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Test settings fairly: train once for each region without it, and score there what was trained.

    No region is scored by a network that has seen it. Each training uses all
    regions of role train or evaluate but the one that it holds out, and is a
    run of its own, NAME-without-REGION. The scores of the networks and of the
    baselines (constant mean, linear and footprint regression) are printed, and
    written to crossvalidations/NAME in the workspace.

    How long it takes: as many trainings as regions are held out. For a quicker
    look, name some with --regions, or take fewer --epochs. Ctrl-C stops it after
    the last finished epoch; the line that it then prints goes on from there.

    Give --like, for the settings of a run that you have, or --dataset, for the
    usual ones.

    For example:

    nightlights crossvalidate --name held-out --like first

    nightlights crossvalidate --name quick --dataset demo --regions abuja

    nightlights crossvalidate --name held-out --show
    """
    from nightlights.manifests import CrossValidationRequest, TrainingSettings
    from nightlights.networks.registry import network_info
    from nightlights.training_settings import counted_patches

    if show:
        _print(readable_workspace(workspace), name, json=json)
        return
    place = writable_workspace(workspace)
    if like is not None:
        from nightlights.pipeline import read_run

        run = read_run(place, like)
        dataset, base = dataset or run.dataset, run.settings.model_dump()
    elif dataset is not None:
        base = network_info(network or DEFAULT_NETWORK).settings.model_dump()
    else:
        raise SettingsError("Which dataset?", "Name it with --dataset, or a run with --like.")
    given: dict[str, Any] = {
        "network": network,
        "epochs": epochs,
        "patches_per_region": patches_per_region,
        "patch_size": patch_size,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "loss": choice("loss", loss),
        "seed": seed,
    }
    chosen = counted_patches({key: value for key, value in given.items() if value is not None})
    if network is not None:
        chosen = {**network_info(network).fixed, **chosen, "network": network}
    no_regions = {"train_regions": None, "evaluate_regions": None}
    request = record_of(
        CrossValidationRequest,
        name=name,
        dataset=dataset,
        settings=record_of(TrainingSettings, **{**base, **chosen, **no_regions}),
        regions=names(regions),
        bootstrap_seed=bootstrap_seed,
        overwrite=overwrite,
    )
    if background:
        start_job(place, "cross-validate", request, json=json)
        return
    run_job(place, "cross-validate", request)
    _print(place, name, json=json)


def folds_of(record: "CrossValidationRecord") -> str:
    """What was held out, and how many regions each fold was trained on."""
    folds, trained = len(record.folds), record.trained_on
    held = "1 region held out" if folds == 1 else f"{folds} regions held out, each once"
    others = "the other one" if trained == 1 else f"the {trained} others"
    return f"{held}, training on {others}" if trained else held


def _print(workspace: "Workspace", name: str, *, json: bool) -> None:
    """The table of a finished cross-validation."""
    from nightlights.crossvalidation import read_cross_validation

    record = read_cross_validation(workspace, name)
    if json:
        print_json(record.model_dump(mode="json"))
        return
    unit = record.scores[0].unit if record.scores else ""
    print_table(
        f"{'Simulated planet: c' if record.source.simulated else 'C'}ross-validation {name} of "
        f"{record.settings.network}, {folds_of(record)}, VIIRS grid, in {unit}",
        ("held out", "method", *FIGURES, *MORE_FIGURES),
        (
            (score.region, score.method, *figures_of(score), *more_figures_of(score))
            for score in record.scores
        ),
        f"{legend(record.scores)} Seeds: training {record.settings.seed}, intervals {record.bootstrap_seed}."
        + (f" {SIMULATED}" if record.source.simulated else ""),
    )
