"""``nightlights evaluate``: scores of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nightlights.commands.options import BackgroundOption, JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json
from nightlights.commands.scores import print_scores, scores_of
from nightlights.commands.work import record_of, run_job, start_job
from nightlights.errors import SettingsError

if TYPE_CHECKING:
    from nightlights.standard.table import StandardTable
    from nightlights.workspace import Workspace

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    run: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="With --standard: a folder with a trained model, instead of a run.", metavar="FOLDER"
        ),
    ] = None,
    standard: Annotated[
        bool,
        typer.Option(
            "--standard", help="Score on the standard cities of the simulated planet: the same for everybody."
        ),
    ] = False,
    split: Annotated[
        Literal["test", "validation"],
        typer.Option(help="With --standard: choose settings on validation cities, never on test cities."),
    ] = "test",
    cities: Annotated[bool, typer.Option("--cities", help="With --standard: show every city.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the confidence intervals.")] = 1,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Score a run and the baselines in each of its regions, at the VIIRS grid, in nW/cm²/sr.

    With --standard, score them on the standard cities instead. Their imagery is made once, in the
    workspace; all of it is simulated. With --standard and no run, print the table of targets: the models
    that ship and all baselines are scored now; what does not ship is read from the project's record.
    """
    from nightlights.jobs import EvaluationRequest

    if (run is None and model is None and not standard) or (run is not None and model is not None):
        raise SettingsError(
            "What is to be scored?",
            "Name it: --run NAME, or --model FOLDER with --standard; --standard alone scores what ships.",
        )
    if not standard and (model is not None or cities or split != "test"):
        raise SettingsError("--model, --split and --cities go with --standard.", "Add --standard.")
    if run is None and model is None:
        _shipped(split, background=background, workspace=workspace, json=json)
        return
    name = run or (_label(model) if model is not None else "")
    request = record_of(
        EvaluationRequest,
        run=name,
        standard=split if standard else None,
        model=str(model.expanduser().resolve()) if model is not None else None,
        bootstrap_seed=seed,
    )
    place = writable_workspace(workspace)
    if run is not None:
        from nightlights.pipeline import read_run

        read_run(place, run)
    if background:
        start_job(place, "evaluate", request, json=json)
        return
    run_job(place, "evaluate", request)
    if standard:
        from nightlights.commands.standard_table import print_standard
        from nightlights.manifests import read_record
        from nightlights.standard import StandardScores, scores_file

        scores = read_record(scores_file(place, name, split, is_run=run is not None), StandardScores)
        if json:
            print_json(scores.model_dump(mode="json"))
        else:
            print_standard(scores, every_city=cities)
    elif json:
        print_json(scores_of(place, name).model_dump(mode="json"))
    else:
        print_scores(place, name)


def _shipped(
    split: Literal["test", "validation"], *, background: bool, workspace: Path | None, json: bool
) -> None:
    """Score the models that ship, and print the table of targets."""
    from nightlights.commands.standard_targets import print_targets
    from nightlights.jobs.kinds import StandardRequest
    from nightlights.manifests import read_record
    from nightlights.standard.table import StandardTable
    from nightlights.standard.work import live_table_file

    place, request = writable_workspace(workspace), StandardRequest(split=split)
    _tell_what_is_missing(place, split)
    if background:
        start_job(place, "standard", request, json=json)
        return
    run_job(place, "standard", request, title=f"Score the shipped models on the {split} cities")
    table = read_record(live_table_file(place, split), StandardTable)
    if json:
        print_json(table.model_dump(mode="json"))
    else:
        print_targets(table)


def _tell_what_is_missing(place: "Workspace", split: Literal["test", "validation"]) -> None:
    """Before minutes of work: that no model ships, and of which networks the record has figures."""
    from nightlights.commands.output import say
    from nightlights.shipped import models_folder, shipped_models
    from nightlights.standard.recipes import RECIPES
    from nightlights.standard.work import shipped_record

    if any(model.name in RECIPES for model in shipped_models()):
        return
    say(
        f"No model of the table ships in {models_folder().name}/, so baselines alone are scored now, which "
        f"takes some minutes. {_of_networks(shipped_record(place, split))}"
    )


def _of_networks(record: "StandardTable | None") -> str:
    """Which networks' figures are read from ``record``, which are left out and why, and which it lacks."""
    from nightlights.standard.outdated import belonging
    from nightlights.standard.recipes import RECIPES

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
        said.append(f"Train what is missing, which takes hours on a CPU: nightlights standard train{only}")
    return " ".join(said)


def _label(model: Path) -> str:
    """The name under which the scores of a folder are kept: folders elsewhere may be called the same."""
    from nightlights.names import with_digest

    folder = model.expanduser().resolve()
    return with_digest(folder.name, str(folder))
