"""``nightlights evaluate``: scores of a run."""

from typing import Annotated

import typer

from nightlights.commands.options import BackgroundOption, JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json
from nightlights.commands.scores import print_scores, scores_of
from nightlights.commands.work import record_of, run_job, start_job

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    run: Annotated[str, typer.Option(help="Name of the run.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the confidence intervals.")] = 1,
    background: BackgroundOption = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Score a run and the baselines in each of its regions, at the VIIRS grid, in nW/cm²/sr."""
    from nightlights.jobs import EvaluationRequest
    from nightlights.pipeline import read_run

    request = record_of(EvaluationRequest, run=run, bootstrap_seed=seed)
    place = writable_workspace(workspace)
    read_run(place, run)
    if background:
        start_job(place, "evaluate", request, json=json)
        return
    run_job(place, "evaluate", request)
    if json:
        print_json(scores_of(place, run).model_dump(mode="json"))
    else:
        print_scores(place, run)
