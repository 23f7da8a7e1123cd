"""The command line's Earth Engine options: what they ask for, and what is refused."""

from pathlib import Path

import pytest

from nightlights.cli import main
from nightlights.commands.composite_options import earthengine_request
from nightlights.composites import EarthEngineRequest
from nightlights.errors import SettingsError
from nightlights.settings import CONNECTION_FILE, Settings


def asked(**given: object) -> EarthEngineRequest:
    request = earthengine_request("earthengine", start=None, end=None, bands=None, **given)
    assert request is not None
    return request


def test_without_options_the_defaults_are_asked_for() -> None:
    assert asked(sensor=None, masks=None) == EarthEngineRequest()


def test_every_option_reaches_its_composite() -> None:
    request = earthengine_request(
        "earthengine",
        start="2021-05-01",
        end="2021-06-30",
        bands="SR_B4, B10",
        sensor="Landsat 8 and 9",
        percentile=40.0,
        masks="cloud, cloud shadow",
        maximum_scene_cloud=70.0,
        product="annual",
        annual_band="average",
        method="batch",
        file_format="TFRecord",
        patches_per_region=12,
        patch_size=128,
    )
    assert request is not None
    day, night = request.daytime, request.nighttime
    assert (day.sensor, day.statistic, day.percentile) == ("Landsat 8 and 9", "percentile", 40.0)
    assert (day.masks, day.bands) == (("cloud", "cloud shadow"), ("SR_B4", "B10"))
    assert (str(day.start), str(night.end), day.maximum_scene_cloud) == ("2021-05-01", "2021-06-30", 70.0)
    assert (night.product, night.annual_band) == ("annual", "average")
    assert (request.method, request.file_format, request.patches_per_region) == ("batch", "TFRecord", 12)
    assert request.patch_size == 128


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--source", "simulated", "--sensor", "Sentinel-2"], "--sensor is for Earth Engine."),
        (["--source", "earthengine", "--sensor", "Landsat 7"], "--sensor cannot be 'Landsat 7'"),
        (["--source", "earthengine", "--masks", "cloud,clouds"], "--masks cannot be 'clouds'"),
        (
            ["--source", "earthengine", "--period-start", "2021-13-01"],
            "--period-start cannot be '2021-13-01'",
        ),
        (
            ["--source", "earthengine", "--statistic", "median", "--percentile", "20"],
            "--percentile goes with --statistic percentile.",
        ),
        (
            ["--source", "earthengine", "--period-start", "2021-02-02", "--period-end", "2021-02-01"],
            "the period ends (2021-02-01) before it starts (2021-02-02)",
        ),
        (["--source", "earthengine", "--patch-size", "100"], "--patch-size cannot be 100"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", "--workspace", str(tmp_path), "--regions", "r", "--dataset", "d", *options]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_what_is_set_is_kept_in_the_workspace_and_can_be_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = ["earthengine", "set", "--workspace", str(tmp_path)]
    assert main([*keep, "--project", "lights-project", "--bucket", "planted-bucket"]) == 0
    place = {"NIGHTLIGHTS_WORKSPACE": str(tmp_path)}
    assert Settings.from_environment(place).earthengine_project == "lights-project"
    assert main([*keep, "--folder", "../up"]) == 2
    assert Settings.from_environment(place).secrets == ("planted-bucket",)
    assert main([*keep, "--forget", "--project", "lights-project"]) == 0
    assert Settings.from_environment(place).bucket is None
    assert "lights-project" in (tmp_path / CONNECTION_FILE).read_text()
    output = capsys.readouterr()
    assert "planted" not in output.out + output.err


def test_a_setting_that_a_variable_overrules_is_kept_with_a_word_about_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_BUCKET", "planted-bucket")
    monkeypatch.delenv("NIGHTLIGHTS_EARTHENGINE_PROJECT", raising=False)
    keep = ["earthengine", "set", "--workspace", str(tmp_path)]
    assert main([*keep, "--project", "lights-project", "--bucket", "other-bucket"]) == 0
    output = capsys.readouterr().out
    assert "NIGHTLIGHTS_BUCKET in the environment or .env goes before what was kept" in output
    assert "NIGHTLIGHTS_EARTHENGINE_PROJECT" not in output
    assert "planted" not in output


def test_settings_are_read_from_the_workspace_that_the_command_names(tmp_path: Path) -> None:
    from nightlights.commands.options import settings

    main(["earthengine", "set", "--workspace", str(tmp_path), "--project", "lights-project"])
    assert settings(tmp_path).earthengine_project == "lights-project"


def test_a_percentile_without_its_statistic_is_refused() -> None:
    with pytest.raises(SettingsError):
        asked(statistic="median", percentile=10.0)
