"""``nightlights models list`` says what each model is for and how good it is, from its own records."""

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from pages_workspace import ship_run

from nightlights import cli
from nightlights.shipped import shipped_models
from nightlights.uncertainty import UNCERTAINTY_FILE
from nightlights.workspace import Workspace

MODELS = Path(__file__).parent.parent / "models"


def test_each_model_tells_its_purpose_its_error_and_its_intervals(capfd: pytest.CaptureFixture[str]) -> None:
    place = ["--from", str(MODELS)]
    assert cli.main(["models", "list", *place, "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capfd.readouterr().out)}
    models = {model.name: model for model in shipped_models(MODELS)}
    assert rows.keys() == models.keys() >= {"daytime", "sharpening"}
    assert "daytime bands alone" in rows["daytime"]["purpose"]
    assert "sharpening VIIRS" in rows["sharpening"]["purpose"]
    for name, row in rows.items():
        assert row["held_out_rmse"] == models[name].run.evaluation_rmse
        made = json.loads((models[name].folder / UNCERTAINTY_FILE).read_text())
        assert (row["interval_level"], row["interval_coverage"]) == (made["level"], made["coverage"])
    assert cli.main(["models", "list", *place]) == 0
    printed = capfd.readouterr().out
    for name, row in rows.items():
        own = printed[printed.index(f"shipped-{name}") :]
        assert f"{row['held_out_rmse']:.3f} nW/cm²/sr" in own and "Simulated imagery" in own
        assert f"{100 * row['interval_coverage']:.0f} % of the VIIRS pixels" in own


def test_a_model_without_intervals_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_MODELS", str(tmp_path / "models"))
    ship_run(Workspace.open(tmp_path / "workspace"), tmp_path / "models")
    assert cli.main(["models", "list"]) == 0
    assert "not calibrated" in capfd.readouterr().out
    assert cli.main(["models", "list", "--json"]) == 0
    (row,) = json.loads(capfd.readouterr().out)
    assert row["interval_level"] is None and row["interval_coverage"] is None


def test_a_narrow_terminal_breaks_no_name_and_cuts_no_line() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 44))
    command = [sys.executable, "-m", "nightlights", "models", "list", "--from", str(MODELS)]
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")}
    finished = subprocess.run(
        command, stdout=theirs, stderr=subprocess.PIPE, check=True, env={**environment, "TERM": "xterm"}
    )
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:
        pass  # Linux tells the end so.
    os.close(ours)
    words = re.sub(r"\x1b\[[0-9;]*m", "", text.decode())
    lines = words.splitlines()
    assert finished.stderr == b"" and max(map(len, lines)) <= 44
    assert any(line.startswith("held-out RMSE") for line in lines) and "…" not in words
    assert " ".join(words.split()).count("daytime bands") >= 2
