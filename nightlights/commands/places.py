"""``nightlights places``: find a city without a network."""

from typing import Annotated

import typer

from nightlights.commands.options import JsonOption
from nightlights.commands.output import print_json, print_table
from nightlights.errors import NightlightsError

app = typer.Typer(add_completion=False)


@app.command()
def places(
    search: Annotated[str, typer.Argument(help='Beginning of a name, or of a word in it: "Lagos, NG".')],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most results.")] = 10,
    json: JsonOption = False,
) -> None:
    """Search world cities of about 15,000 people or more (GeoNames, CC BY 4.0)."""
    from nightlights.places import search as search_places

    found = search_places(search, limit)
    if json:
        print_json([place._asdict() for place in found])
        return
    if not found:
        raise NightlightsError(f"No city matches {search[:80]!r}.", "Try the beginning of its name.")
    rows = (
        (
            place.name,
            place.country,
            f"{place.longitude:.4f}",
            f"{place.latitude:.4f}",
            f"{place.population:,}",
        )
        for place in found
    )
    print_table("", ("name", "country", "longitude °", "latitude °", "people"), rows)
