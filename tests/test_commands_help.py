"""Help of the commands: examples that work as they stand there, defaults that are the ones used."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from nightlights.cli import main
from nightlights.commands import calibrate, crossvalidate, datasets, datasets_import, export, sweep, train
from nightlights.composites import EarthEngineRequest
from nightlights.errors import Cancelled
from nightlights.interface.run_form import STUDY, settings_words
from nightlights.manifests import ExportRequest, ImportRequest, TrainingRequest, TrainingSettings
from nightlights.networks.registry import NETWORKS, network_info
from nightlights.presets import PRESETS
from nightlights.settings import Settings
from nightlights.tfrecords import importing


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


def helps(app: typer.Typer, *path: str) -> dict[str, str]:
    """The help of every option of a command, by the name of its parameter."""
    command: Any = get_command(app)
    for name in path:
        command = command.commands[name]
    return {parameter.name: getattr(parameter, "help", "") or "" for parameter in command.params}


def stated_default(text: str, network: str) -> str:
    """The default of ``network`` in a help such as ``Default: 10; 20 for unet, segformer.``"""
    match = re.search(r"Default: (.*)\.$", text)
    assert match, text
    usual = ""
    for part in match[1].split("; "):
        value, _, names = part.partition(" for ")
        if network in names.split(", "):
            return value
        usual = usual if names else value
    return usual


@pytest.fixture
def request_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Gives the request that a command line makes, without running its job."""
    requests: list[Any] = []

    def keep(place: Any, kind: str, request: Any, **options: Any) -> None:
        requests.append(request)
        raise Cancelled

    def request(module: Any, *arguments: str) -> Any:
        monkeypatch.setattr(module, "run_job", keep)
        assert main(["--workspace", str(tmp_path), *arguments]) == 130
        return requests[-1]

    return request


@pytest.mark.parametrize("network", NETWORKS)
def test_the_help_of_train_states_the_defaults_with_which_each_network_is_trained(
    network: str, request_of: Any
) -> None:
    made: TrainingRequest = request_of(train, "train", "--dataset", "d", "--run", "r", "--network", network)
    texts = helps(train.app)
    compared = set(TrainingSettings.model_fields) - {"network", "schema_version", "loader"}
    assert compared <= set(texts)
    for field in compared:
        value = getattr(made.settings, field)
        if field == "schedule":
            value = value or network_info(network).schedule
        if field == "gradient_norm" and value is None:
            value = network_info(network).gradient_norm or 0.0
        stated = stated_default(texts[field], network)
        if isinstance(value, bool):
            assert stated == ("on" if value else "off"), field
        elif value is None:
            assert (
                stated
                == {
                    "train_regions": "all of role train",
                    "evaluate_regions": "all of role evaluate",
                    "early_stopping": "never",
                    "residual_limit": "0.7, from 10 training regions 1.5",
                    "residual_share": "0.5, from 10 training regions chosen in those left out",
                }[field]
            )
        elif isinstance(value, str):
            assert stated.replace("-", " ") == value, field
        else:
            assert float(stated) == value, field


def test_the_help_of_train_sweep_and_crossvalidate_names_the_network_that_is_trained(request_of: Any) -> None:
    made = request_of(train, "train", "--dataset", "d", "--run", "r")
    assert stated_default(helps(train.app)["network"], "") == made.settings.network
    folds = request_of(crossvalidate, "crossvalidate", "--name", "n", "--dataset", "d")
    for text in (
        helps(crossvalidate.app)["network"],
        helps(sweep.app, "grid")["network"],
        helps(sweep.app, "random")["network"],
    ):
        assert text.endswith(f"Default: that of --like, or {folds.settings.network}.")


def test_the_help_of_export_states_the_defaults_of_earth_engine() -> None:
    texts, request = helps(export.app), EarthEngineRequest()
    compared = 0
    for record in (request, request.daytime, request.nighttime):
        for field in type(record).model_fields:
            if field in texts and "Default: " in texts[field] and field != "bands":
                stated, value = stated_default(texts[field], ""), getattr(record, field)
                assert stated == (
                    "all" if field == "masks" else f"{value:g}" if not isinstance(value, str) else value
                )
                compared += 1
    assert compared >= 12
    assert f"Earth Engine: {request.daytime.start}; " in texts["period_start"]
    assert f"Earth Engine: {request.daytime.end}; " in texts["period_end"]


def test_defaults_that_the_environment_sets_are_stated_so_and_used(
    request_of: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual = Settings()
    exports, imports = helps(export.app), helps(datasets.app, "import")
    assert exports["planet_seed"].endswith(f"Default: NIGHTLIGHTS_PLANET_SEED, or {usual.planet_seed}.")
    for texts in (exports, imports):
        assert texts["fwhm_m"].endswith(f"Default: NIGHTLIGHTS_FWHM_M, or {usual.fwhm_m:g}.")
    assert usual.fwhm_m == ExportRequest.model_fields["fwhm_m"].default
    assert usual.fwhm_m == ImportRequest.model_fields["fwhm_m"].default
    monkeypatch.setenv("NIGHTLIGHTS_FWHM_M", "800")
    monkeypatch.setenv("NIGHTLIGHTS_PLANET_SEED", "5")
    assert main(["--workspace", str(tmp_path), "regions", "preset", "demo"]) == 0
    request = request_of(export, "export", "--regions", "demo", "--dataset", "d")
    assert (request.fwhm_m, request.planet_seed) == (800, 5)
    proposals: list[ImportRequest] = []
    monkeypatch.setattr(importing, "propose_import", lambda request, **options: proposals.append(request))
    monkeypatch.setattr(datasets_import, "_describe_proposal", lambda proposal, json: None)
    assert main(["datasets", "import", "a.tfrecord.gz", "--dataset", "d", "--look"]) == 0
    assert [request.fwhm_m for request in proposals] == [800]


def test_the_study_preset_of_the_page_states_the_settings_that_it_fills_in() -> None:
    assert settings_words(STUDY) == (
        "100 patches a region, batches of 16, SGD at 0.01, 20 epochs, pixel squared error, no augmentation"
    )
