"""``nightlights networks``: what can be trained."""

import typer

from nightlights.commands.options import JsonOption
from nightlights.commands.output import print_json, print_table

app = typer.Typer(add_completion=False)


@app.command()
def networks(json: JsonOption = False) -> None:
    """List the networks that can be trained, the default first."""
    from nightlights.networks.registry import NETWORKS

    rows = [
        {
            "name": info.name,
            "title": info.title,
            "weights": info.parameters,
            "fitted": info.fitted,
            "depth": info.depth,
            "reach_pixels": info.reach,
            "margin_pixels": info.margin,
            "stride_pixels": info.stride,
            "suits_cpu": info.suits_cpu,
            "description": info.description,
            "settings": info.settings.model_dump(mode="json"),
        }
        for info in NETWORKS.values()
    ]
    if json:
        print_json(rows)
        return
    print_table(
        "Networks",
        ("name", "weights (9 bands)", "depth", "reach px", "margin px", "for CPUs", "what it is"),
        (
            (
                row["name"],
                "fitted" if row["fitted"] else f"{row['weights']:,}",
                row["depth"],
                row["reach_pixels"],
                row["margin_pixels"],
                "yes" if row["suits_cpu"] else "no",
                row["description"],
            )
            for row in rows
        ),
    )
