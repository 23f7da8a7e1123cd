"""``nightlights predictions``: what has been predicted."""

from typing import Annotated, Any

import typer

from nightlights.commands.options import (
    JsonOption,
    WorkspaceOption,
    YesOption,
    readable_workspace,
    writable_workspace,
)
from nightlights.commands.output import confirm, print_json, print_table, say
from nightlights.errors import WorkspaceError

app = typer.Typer(help="Predictions: list, show, delete.", no_args_is_help=True, add_completion=False)


@app.command("list")
def list_predictions(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the predictions of the workspace."""
    from nightlights.errors import NightlightsError
    from nightlights.manifests import PredictionRecord, read_record

    place = readable_workspace(workspace)
    rows: list[dict[str, Any]] = []
    for name in place.prediction_names():
        try:
            record = read_record(place.prediction_folder(name) / "prediction.json", PredictionRecord)
        except NightlightsError as error:
            rows.append({"name": name, "problem": str(error)})
            continue
        rows.append(
            {
                "name": name,
                "run": record.run,
                "dataset": record.dataset,
                "region": record.region,
                "simulated": record.source.simulated,
                "created": record.created.isoformat(),
                "rmse": record.score.rmse if record.score else None,
                "unit": record.unit,
            }
        )
    if json:
        print_json(rows)
    elif rows:
        columns = ("name", "run", "dataset", "region", "created", "rmse", "unit", "problem")
        shown = ({**row, "rmse": _rounded(row.get("rmse"))} for row in rows)
        print_table("Predictions", columns, ([row.get(column) for column in columns] for row in shown))
    else:
        say("No predictions yet. Make one: nightlights predict --run NAME --region NAME")


def _rounded(rmse: object) -> str | None:
    return f"{rmse:.3f}" if isinstance(rmse, float) else None


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the prediction.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show the layers and figures of a prediction."""
    from nightlights.manifests import PredictionRecord, read_record

    place = readable_workspace(workspace)
    folder = place.prediction_folder(name)
    if name not in place.prediction_names():
        raise _missing(place.prediction_names(), name)
    record = read_record(folder / "prediction.json", PredictionRecord)
    if json:
        print_json(record.model_dump(mode="json"))
        return
    rows: list[tuple[str, object]] = [("run", record.run), ("dataset", record.dataset)]
    rows += [("region", f"{record.region} ({record.role})"), ("source", record.source.label)]
    if record.score:
        rows += [
            ("RMSE", f"{record.score.rmse:.3f} {record.unit}"),
            ("bias", f"{record.score.bias:+.3f} {record.unit}"),
        ]
    rows += [
        ("predicted light", f"{record.total_predicted:,.0f} {record.unit} km²"),
        ("measured light", f"{record.total_measured:,.0f} {record.unit} km²"),
    ]
    rows += [(f"layer {layer}", folder / file) for layer, file in record.layers.items()]
    print_table(f"Prediction {name}", ("", "value"), rows)


@app.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="Name of the prediction.")],
    yes: YesOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete a prediction."""
    from nightlights.commands.work import check_unused

    place = writable_workspace(workspace)
    folder = place.prediction_folder(name)
    if not folder.is_dir():
        raise _missing(place.prediction_names(), name)
    check_unused(place, f"predictions/{name}")
    confirm(f"Delete the prediction {name}?", yes)
    place.delete(folder)
    say(f"Deleted the prediction {name}.")


def _missing(names: list[str], name: str) -> WorkspaceError:
    known = ", ".join(names) or "none yet"
    return WorkspaceError(f"There is no prediction {name}.", f"Predictions: {known}.")
