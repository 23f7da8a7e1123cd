"""What the help of a command shows as an example works as it stands there."""

import shlex

import pytest
import typer
from typer.main import get_command

from nightlights.commands import calibrate, crossvalidate
from nightlights.presets import PRESETS


@pytest.mark.parametrize(
    ("app", "written"),
    [
        (calibrate.app, "uncertainty.json in the folder of the run"),
        (crossvalidate.app, "crossvalidations/NAME in the workspace"),
    ],
)
def test_long_work_tells_what_it_writes_how_long_it_takes_and_examples(
    app: typer.Typer, written: str
) -> None:
    command = get_command(app)
    lines = (command.help or "").splitlines()
    assert written in " ".join(lines) and "How long it takes: " in " ".join(lines)
    # Lines of later paragraphs are not filled again: on a narrow terminal, longer ones would break twice.
    assert max(len(line) for line in lines[1:]) <= 78
    examples = lines[lines.index("For example:") + 1 :]
    given = [shlex.split(line) for line in examples if line]
    assert len(given) >= 2
    roles = {region.name: region.role for region in PRESETS["demo"].regions}
    for program, name, *arguments in given:
        assert (program, name) == ("nightlights", command.name)
        parsed = command.make_context(name, list(arguments))
        named = parsed.params["regions"]
        assert {roles[region] for region in (named or "abuja").split(",")} == {"evaluate"}
