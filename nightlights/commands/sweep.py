"""``nightlights sweep``: search training settings."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nightlights.commands.defaults import DEFAULT_NETWORK
from nightlights.commands.options import (
    BackgroundOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
    YesOption,
    readable_workspace,
    writable_workspace,
)
from nightlights.commands.output import confirm, print_json, print_table, say
from nightlights.commands.work import record_of, run_job, start_job
from nightlights.errors import SettingsError

if TYPE_CHECKING:
    from nightlights.manifests import TrainingSettings
    from nightlights.sweeps.records import SweepRecord
    from nightlights.workspace import Workspace

app = typer.Typer(
    help="Search training settings: grid, random, list, show, delete.",
    no_args_is_help=True,
    add_completion=False,
)

NameOption = Annotated[
    str, typer.Option("--name", help="Name of the sweep; its runs are NAME-001 and so on.")
]
NameArgument = Annotated[str, typer.Argument(help="Name of the sweep.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Name of the dataset.")]
LikeOption = Annotated[
    str | None,
    typer.Option("--like", help="A run whose dataset and other settings to take.", metavar="RUN"),
]
NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        help=f"Network whose settings to start from. Default: that of --like, or {DEFAULT_NETWORK}.",
    ),
]
_VARY = (
    "A setting of training and its values, such as learning_rate=0.001,0.003; repeat it for others. Hyphens "
    "may stand for spaces."
)


@app.command("grid")
def grid(
    name: NameOption,
    vary: Annotated[list[str], typer.Option(help=_VARY)],
    dataset: DatasetOption = None,
    like: LikeOption = None,
    network: NetworkOption = None,
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Train a run for every combination of the values, and put them in order of their evaluation RMSE.

    Ctrl-C stops after the last finished epoch; the line it prints goes on from there.
    """
    place = writable_workspace(workspace)
    _search(place, "grid", name, vary, dataset, like, network, {"overwrite": overwrite}, background, json)


@app.command("random")
def random(
    name: NameOption,
    vary: Annotated[
        list[str], typer.Option(help=f"{_VARY} Or a range: learning_rate=log:1e-4:1e-2, or linear:LOW:HIGH.")
    ],
    trials: Annotated[int, typer.Option(min=1, help="Number of runs.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 1,
    dataset: DatasetOption = None,
    like: LikeOption = None,
    network: NetworkOption = None,
    overwrite: OverwriteOption = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Train runs with settings drawn at random, and put them in order of their evaluation RMSE.

    Ctrl-C stops after the last finished epoch; the line it prints goes on from there.
    """
    place = writable_workspace(workspace)
    more = {"overwrite": overwrite, "trials": trials, "seed": seed}
    _search(place, "random", name, vary, dataset, like, network, more, background, json)


@app.command("list")
def list_sweeps(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the sweeps of the workspace."""
    from nightlights.sweeps.search import read_sweep

    place = readable_workspace(workspace)
    found = [read_sweep(place, name) for name in place.sweep_names()]
    if json:
        print_json([record.model_dump(mode="json") for record in found])
    elif found:
        print_table(
            "Sweeps",
            (
                "sweep",
                "dataset",
                "simulated",
                "varied",
                "runs done",
                "best run",
                "evaluation RMSE (nW/cm²/sr)",
            ),
            (
                (
                    record.name,
                    record.dataset,
                    "yes" if record.source.simulated else "no",
                    ", ".join(variation.field for variation in record.vary),
                    f"{record.done} of {len(record.trials)}",
                    record.best.run if record.best else None,
                    _figure(record.best.evaluation_rmse if record.best else None),
                )
                for record in found
            ),
        )
    else:
        say("No sweeps yet. Begin one: nightlights sweep grid --name NAME --dataset NAME --vary ...")


@app.command("show")
def show(name: NameArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show the runs of a sweep, best first."""
    _print(readable_workspace(workspace), name, json=json)


@app.command("delete")
def delete(
    name: NameArgument,
    keep_runs: Annotated[bool, typer.Option("--keep-runs", help="Delete the record alone.")] = False,
    yes: YesOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete a sweep and its runs with their models."""
    from nightlights.jobs import JobStore
    from nightlights.sweeps.search import delete_sweep, read_sweep

    place = writable_workspace(workspace)
    count = len(read_sweep(place, name).trials)
    confirm(f"Delete the sweep {name}" + ("?" if keep_runs else f" and its {count} runs?"), yes)
    delete_sweep(place, name, JobStore(place), keep_runs=keep_runs)
    say(f"Deleted the sweep {name}.")


def _search(
    place: "Workspace",
    search: Literal["grid", "random"],
    name: str,
    vary: list[str],
    dataset: str | None,
    like: str | None,
    network: str | None,
    more: dict[str, Any],
    background: bool,
    json: bool,
) -> None:
    from nightlights.sweeps.estimate import plan_sweep
    from nightlights.sweeps.records import SweepRequest
    from nightlights.sweeps.search import known_runs
    from nightlights.sweeps.variations import parse_variation

    dataset, settings = _base(place, dataset, like, network)
    request = record_of(
        SweepRequest,
        name=name,
        dataset=dataset,
        search=search,
        settings=settings,
        vary=[parse_variation(text, settings) for text in vary],
        **more,
    )
    say(f"{plan_sweep(place, request, known_runs(place)).words}.")
    if background:
        start_job(place, "sweep", request, json=json)
        return
    run_job(place, "sweep", request)
    _print(place, name, json=json)


def _base(
    place: "Workspace", dataset: str | None, like: str | None, network: str | None
) -> "tuple[str, TrainingSettings]":
    """The dataset, and the settings of every run but for what is varied."""
    from nightlights.networks.registry import network_info
    from nightlights.pipeline import read_run

    if like is not None:
        run = read_run(place, like)
        base = run.settings
        if network is not None:
            info = network_info(network)
            base = base.model_copy(update={**info.fixed, "network": info.name})
        return dataset or run.dataset, base
    if dataset is None:
        raise SettingsError("Which dataset?", "Name it with --dataset, or a run with --like.")
    return dataset, network_info(network or DEFAULT_NETWORK).settings


def _print(workspace: "Workspace", name: str, *, json: bool) -> None:
    from nightlights.sweeps.search import read_sweep

    record = read_sweep(workspace, name)
    if json:
        print_json(record.model_dump(mode="json"))
        return
    print_table(*_table(record))


def _table(record: "SweepRecord") -> tuple[str, tuple[str, ...], list[tuple[object, ...]], str]:
    from nightlights.sweeps.variations import words_of

    fields = [variation.field for variation in record.vary]
    kind = "Simulated planet: sweep" if record.source.simulated else "Sweep"
    state = "" if record.finished else f", {record.done} of {len(record.trials)} runs done"
    rows: list[tuple[object, ...]] = [
        (
            trial.run,
            *(words_of(trial.values[field]) for field in fields),
            _figure(trial.evaluation_rmse),
            _figure(trial.train_rmse),
            f"{trial.seconds:.0f}" if trial.seconds else None,
            trial.failure or None,
        )
        for trial in record.trials
    ]
    return (
        f"{kind} {record.name} on {record.dataset}, best first{state}",
        (
            "run",
            *fields,
            f"evaluation RMSE ({record.unit})",
            f"training RMSE ({record.unit})",
            "training time (s)",
            "failure",
        ),
        rows,
        "Evaluation: over whole evaluation regions at the VIIRS grid; they have chosen the best, so its "
        "score there flatters it."
        + (f" Seed of the search: {record.seed}." if record.seed is not None else "")
        + (" All figures are simulated." if record.source.simulated else ""),
    )


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
