"""``./run bench standard``: scores on the standard cities, and the table of targets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nightlights.commands.options import BackgroundOption, JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json, say
from nightlights.commands.work import follow_job, record_of, run_job, start_job
from nightlights.errors import SettingsError
from standard.jobs import KINDS_REFERENCE, StandardRequest

if TYPE_CHECKING:
    from nightlights.records import JobKind, Record
    from nightlights.workspace import Workspace
    from standard.table import StandardTable

app = typer.Typer(
    help="The standard cities of the simulated planet: score on them, and the table of targets.",
    add_completion=False,
    no_args_is_help=True,
)

SplitOption = Annotated[
    Literal["test", "validation"],
    typer.Option(help="Cities to score on. Choose settings on validation cities, never on test cities."),
]


@app.command()
def score(
    run: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="A folder with a trained model, instead of a run.", metavar="FOLDER")
    ] = None,
    split: SplitOption = "test",
    cities: Annotated[bool, typer.Option("--cities", help="Show every city.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the confidence intervals.")] = 1,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Score a run or a model and the baselines on the standard cities, in nW/cm²/sr.

    Their imagery is made once, in the workspace; all of it is simulated.
    """
    from nightlights.jobs import EvaluationRequest
    from nightlights.manifests import read_record
    from nightlights.pipeline import read_run
    from standard import StandardScores, scores_file
    from standard.score_print import print_standard

    if (run is None) == (model is None):
        raise SettingsError("What is to be scored?", "Name one of the two: --run NAME or --model FOLDER.")
    name = run or (label(model) if model is not None else "")
    request = record_of(
        EvaluationRequest,
        run=name,
        standard=split,
        model=str(model.expanduser().resolve()) if model is not None else None,
        bootstrap_seed=seed,
    )
    place = writable_workspace(workspace)
    if run is not None:
        read_run(place, run)
    title = f"Score {name} on the {split} cities"
    if not _done(place, "evaluate", request, title, background=background, json=json):
        return
    scores = read_record(scores_file(place, name, split, is_run=run is not None), StandardScores)
    if json:
        print_json(scores.model_dump(mode="json"))
    else:
        print_standard(scores, every_city=cities)


@app.command()
def table(
    split: SplitOption = "test",
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Score the models that ship and all baselines now, and print the table of targets.

    Figures of what does not ship are read from the project's record.
    """
    from nightlights.manifests import read_record
    from standard.table import StandardTable
    from standard.target_print import print_targets
    from standard.work import live_table_file

    place, request = writable_workspace(workspace), StandardRequest(split=split)
    _tell_what_is_missing(place, split)
    title = f"Score the shipped models on the {split} cities"
    if not _done(place, "standard", request, title, background=background, json=json):
        return
    made = read_record(live_table_file(place, split), StandardTable)
    if json:
        print_json(made.model_dump(mode="json"))
    else:
        print_targets(made)


@app.command()
def train(
    only: Annotated[
        str | None,
        typer.Option(help="Recipes to train, separated by commas, see the command recipes."),
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Times the patches of every recipe: 0.1 for a tenth of the work.")
    ] = 1.0,
    split: SplitOption = "test",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Train again what is finished with the same settings.")
    ] = False,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Train every model of the table of targets from nothing, score them all, and print the table.

    Imagery, runs and figures lie in the workspace; the same command goes on where it was stopped. All of it
    is simulated. Hours on a CPU: the study's network has 31 million weights.
    """
    from nightlights.commands.train import names
    from standard.work import checked_recipes

    request = record_of(StandardRequest, train=True, only=names(only), scale=scale, split=split, fresh=fresh)
    checked_recipes(request)
    place = writable_workspace(workspace)
    title = f"Train the standard models, score {split} cities"
    if _done(place, "standard", request, title, background=background, json=json):
        _print(place, split, scale, json)


@app.command()
def show(
    scale: Annotated[float, typer.Option(help="Of the trainings.")] = 1.0,
    split: SplitOption = "test",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Print the table that the last training in this workspace left."""
    _print(writable_workspace(workspace), split, scale, json)


@app.command()
def record(workspace: WorkspaceOption = None) -> None:
    """Make this workspace's table of the test cities the project's record.

    From there the command table reads the figures of what does not ship: the study's networks and the oracle.
    """
    from standard.work import keep_record

    typer.echo(keep_record(writable_workspace(workspace)))


@app.command()
def recipes(json: JsonOption = False) -> None:
    """List the models of the table: network, loss, training cities."""
    from nightlights.commands.output import print_table
    from standard.recipes import RECIPES

    rows = [
        (
            recipe.key,
            recipe.title,
            settings.network,
            settings.loss,
            "yes" if settings.viirs_input else "",
            settings.epochs,
            settings.patches_per_region,
            len(settings.train_regions or []),
        )
        for recipe in RECIPES.values()
        for settings in recipe.settings()
    ]
    if json:
        print_json(
            {
                recipe.key: [settings.model_dump(mode="json") for settings in recipe.settings()]
                for recipe in RECIPES.values()
            }
        )
        return
    print_table(
        "Models of the table of targets",
        (
            "recipe",
            "what it is",
            "network",
            "loss",
            "VIIRS as input",
            "epochs",
            "patches a city and epoch",
            "training cities",
        ),
        rows,
        "Several rows of a recipe are members of an ensemble. Trained on the simulated planet alone.",
    )


@app.command()
def resume(
    job: Annotated[str, typer.Argument(help="Name of the job.")],
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once, instead of showing its progress.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Go on with a job of these commands that failed, was cancelled or interrupted.

    Scores of a run or a model keep nothing to go on from: they are made from the start.
    """
    from nightlights.jobs import JobStore

    place = writable_workspace(workspace)
    found = JobStore(place, KINDS_REFERENCE).resume(job)
    if not detach:
        found = follow_job(place, job)
    say(f"Job {job}: {found.state_text}.")


def _done(
    place: "Workspace", kind: "JobKind", request: "Record", title: str, *, background: bool, json: bool
) -> bool:
    """Do the work of a job, or start it in the background; whether it is done."""
    if background:
        start_job(place, kind, request, json=json, title=title, kinds=KINDS_REFERENCE)
    else:
        again = "./run bench standard resume"
        run_job(place, kind, request, title=title, kinds=KINDS_REFERENCE, resume=again)
    return not background


def label(model: Path) -> str:
    """The name under which the scores of a folder are kept: folders elsewhere may be called the same."""
    from nightlights.names import with_digest

    folder = model.expanduser().resolve()
    return with_digest(folder.name, str(folder))


def _tell_what_is_missing(place: "Workspace", split: Literal["test", "validation"]) -> None:
    """Before minutes of work: that no model ships, and of which networks the record has figures."""
    from nightlights.shipped import models_folder, shipped_models
    from standard.recipes import RECIPES
    from standard.work import shipped_record

    if any(model.name in RECIPES for model in shipped_models()):
        return
    say(
        f"No model of the table ships in {models_folder().name}/, so baselines alone are scored now, which "
        f"takes some minutes. {of_networks(shipped_record(place, split))}"
    )


def of_networks(record: "StandardTable | None") -> str:
    """Which networks' figures are read from ``record``, which are left out and why, and which it lacks."""
    from standard.outdated import belonging
    from standard.recipes import RECIPES

    known = [figures for figures in record.known if figures.method in RECIPES] if record else []
    kept, reasons = belonging(known)
    read = [figures.method for figures in kept]
    lacking = [key for key in RECIPES if key not in read and key not in reasons]
    if not known:
        said = ["The figures of the networks are missing in the table: there is no record of them."]
    else:
        said = [f"Read from the record: {', '.join(read) or 'no network'}."]
        said += [f"Left out {key}: {reason}." for key, reason in reasons.items()]
        said += [f"Not in the record: {', '.join(lacking)}."] if lacking else []
    absent = [key for key in RECIPES if key not in read]
    if absent:
        only = f" --only {','.join(absent)}" if read else ""
        said.append(f"Train what is missing, which takes hours on a CPU: ./run bench standard train{only}")
    return " ".join(said)


def _print(place: "Workspace", split: str, scale: float, json: bool) -> None:
    from nightlights.errors import ModelError
    from nightlights.manifests import read_record
    from standard.table import TABLE_FILE, StandardTable
    from standard.target_print import print_targets
    from standard.work import table_folder

    path = table_folder(place, split, scale) / TABLE_FILE
    if not path.exists():
        raise ModelError(
            f"This workspace has no table of the {split} cities yet.",
            "Print the one of the models that ship: ./run bench standard table. Train everything anew, "
            "which takes an hour or more: ./run bench standard train",
        )
    table = read_record(path, StandardTable)
    if json:
        print_json(table.model_dump(mode="json"))
    else:
        print_targets(table)
