"""``./run bench study``: the study's table again, and other runs with its loader."""

from typing import TYPE_CHECKING, Annotated

import typer

from nightlights.commands.options import JsonOption, WorkspaceOption, writable_workspace
from nightlights.commands.output import print_json, print_table
from nightlights.commands.work import TerminalProgress, record_of
from nightlights.errors import SettingsError

if TYPE_CHECKING:
    from study.runs import StudyRecord

_SMALL_PATCH = 96

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def study(
    context: typer.Context,
    scale: Annotated[
        float,
        typer.Option(
            help="Share of the study's training work to aim at: patches and epochs shrink by its root, "
            "to one epoch at least."
        ),
    ] = 1.0,
    rows: Annotated[
        str | None, typer.Option(help="Rows of the table, such as 8,10. Default: all 20.")
    ] = None,
    network: Annotated[
        str, typer.Option(help="Another network than the study's, for machines without a GPU.")
    ] = "study-unet",
    patch_size: Annotated[
        int | None,
        typer.Option(
            help=f"Side of a patch in 29 m pixels. Default: 256, with a smaller scale {_SMALL_PATCH}."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, patches and their order.")] = 1,
    planet_seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated planet.")] = 1,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Train the study's twenty rows on the simulated planet, each with its loader's defect and without it.

    Prints our RMSE beside the published one. The same command goes on where it was stopped; runs of the
    same settings are not trained again.
    """
    if context.invoked_subcommand is not None:
        return
    from study.runs import StudyScale, rows_of, run_study

    try:
        numbers = [int(word) for word in rows.split(",")] if rows else None
    except ValueError as error:
        raise SettingsError(f"--rows cannot be {rows!r}.", "List numbers, such as 8,10.") from error
    size = (256 if scale == 1 else _SMALL_PATCH) if patch_size is None else patch_size
    chosen = StudyScale(scale, network, size, seed, planet_seed)
    place = writable_workspace(workspace)
    with TerminalProgress() as progress:
        record = run_study(place, chosen, rows_of(numbers), progress)
    if json:
        print_json(record.model_dump(mode="json"))
    else:
        print_study(record)


@app.command()
def train(
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")],
    run: Annotated[str, typer.Option(help="Name of the run; of the same settings, it goes on.")],
    loader: Annotated[
        str, typer.Option(help="study, which reads the last region alone, or study-mended, which reads all.")
    ] = "study",
    network: Annotated[str, typer.Option(help="Network to train.")] = "study-unet",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A training setting, such as epochs=5; repeat it.", metavar="NAME=VALUE"),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Train a run of any dataset with the study's loader; a run that was stopped goes on.

    Settings that are not given are the network's own.
    """
    from nightlights.datasets import Dataset
    from nightlights.manifests import TrainingRequest
    from nightlights.networks.registry import network_info
    from nightlights.sweeps.trials import settings_with
    from nightlights.sweeps.variations import parse_variation
    from nightlights.training import train as train_run
    from study.runs import loader_of

    info = network_info(network)
    given = [f"loader={loader}", *(settings or [])]
    values = {each.field: each.values[0] for each in (parse_variation(text, info.settings) for text in given)}
    request = record_of(
        TrainingRequest, run=run, dataset=dataset, settings=settings_with(info.settings, values)
    )
    place = writable_workspace(workspace)
    imagery, folder = Dataset.open(place, dataset), place.run_folder(run)
    with TerminalProgress() as progress:
        train_run(imagery, request, folder, progress, True, loader=loader_of(request.settings))
    typer.echo(f"Trained {run}. Score it: nightlights evaluate --run {run}")


def print_study(record: "StudyRecord") -> None:
    """The table, then the answers."""
    from study.runs import answers, figure, work_share
    from study.table import STUDY_ROWS

    published = {row.row: row for row in STUDY_ROWS}
    unit = record.unit
    shares = [100 * work_share(published[ours.row], ours) for ours in record.rows]
    lines = []
    for ours, share in zip(record.rows, shares, strict=True):
        row, defect, mended = published[ours.row], ours.defect, ours.mended
        lines.append(
            (
                row.row,
                row.dataset,
                f"{row.samples:,} ({ours.patches:,})",
                f"{row.batch_size} ({ours.batch_size})",
                f"{row.learning_rate:g}",
                row.optimizer,
                f"{row.epochs} ({ours.epochs})",
                f"{share:.3g} %",
                f"{row.train_rmse:.3f} / {row.evaluation_rmse:.3f}",
                f"{figure(defect.train_rmse)} / {figure(defect.last_rmse)}",
                figure(defect.evaluation_rmse),
                f"{figure(mended.train_rmse)} / {figure(mended.last_rmse)}",
                figure(mended.evaluation_rmse),
                " / ".join(record.verdict(row, outcome) for outcome in (defect, mended)),
            )
        )
    print_table(
        f"Simulated planet: the study's runs at a scale of {record.work:g}, {_in_words(shares)} of its "
        f"training work (patches times epochs), {record.network}, patches of {record.patch_size} pixels; "
        "samples, batch and epochs of ours in brackets",
        (
            "row",
            "dataset",
            "samples (patches)",
            "batch (patches)",
            "rate",
            "optimizer",
            "epochs",
            "share of the work",
            "published: training / evaluation RMSE (unit not given)",
            f"ours with the defect: training (last region) / evaluation (Nairobi) RMSE ({unit})",
            f"ours with the defect: Abuja and Nairobi ({unit})",
            f"ours mended: training (all regions) / evaluation (Nairobi) RMSE ({unit})",
            f"ours mended: Abuja and Nairobi ({unit})",
            "ours in Nairobi, than the best constant there: with the defect / mended",
        ),
        lines,
        "All of ours is simulated. At the VIIRS grid, in inference mode; "
        f"seeds: training {record.seed}, planet {record.planet_seed}. Diverged: no figure, or an RMSE "
        "of more than ten times that of the best constant; such figures compare nothing.",
    )
    for answer in answers(record):
        typer.echo(f"- {answer}")


def _in_words(shares: list[float]) -> str:
    """From the smallest to the largest percentage."""
    ends = dict.fromkeys(f"{share:.3g}" for share in (min(shares), max(shares)))
    return f"{' to '.join(ends)} %"
