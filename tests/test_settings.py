"""Settings: where they come from, which wins, and what is refused."""

import re
import stat
from pathlib import Path

import pytest

from nightlights.environment import load_environment
from nightlights.errors import SettingsError, WorkspaceError
from nightlights.settings import CONNECTION_FILE, Settings, keep_connection


def from_workspace(folder: Path, **variables: str) -> Settings:
    return Settings.from_environment({"NIGHTLIGHTS_WORKSPACE": str(folder), **variables})


def test_what_was_kept_in_the_workspace_is_a_setting_until_the_environment_says_otherwise(
    tmp_path: Path,
) -> None:
    keep_connection(tmp_path, earthengine_project="kept-project", bucket="kept-bucket")
    assert from_workspace(tmp_path).earthengine_project == "kept-project"
    assert from_workspace(tmp_path).secrets == ("kept-bucket",)
    other = from_workspace(tmp_path, NIGHTLIGHTS_EARTHENGINE_PROJECT="other-project")
    assert other.earthengine_project == "other-project"
    keep_connection(tmp_path, bucket=None)
    assert from_workspace(tmp_path).bucket is None
    assert from_workspace(tmp_path).earthengine_project == "kept-project"


def test_what_is_kept_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    keep_connection(tmp_path, bucket="kept-bucket")
    assert stat.S_IMODE((tmp_path / CONNECTION_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "values",
    [
        {"earthengine_project": "no spaces"},
        {"bucket_folder": "../elsewhere"},
        {"bucket": "two\nlines"},
        {"bucket": "gs://with-scheme/"},
        {"service_account_key": "no-such-key.json"},
        {"service_account_key": "."},
        {"planet_seed": "3"},
    ],
)
def test_a_connection_that_cannot_be_used_is_not_kept(tmp_path: Path, values: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        keep_connection(tmp_path, **values)
    assert not (tmp_path / CONNECTION_FILE).exists()


def test_the_workspace_keeps_nothing_but_the_connection(tmp_path: Path) -> None:
    (tmp_path / CONNECTION_FILE).write_text("NIGHTLIGHTS_PLANET_SEED=7\nNIGHTLIGHTS_BUCKET=kept-bucket\n")
    found = from_workspace(tmp_path)
    assert found.planet_seed == 1
    assert found.secrets == ("kept-bucket",)


def test_no_setting_shows_the_bucket(tmp_path: Path) -> None:
    found = from_workspace(tmp_path, NIGHTLIGHTS_BUCKET="planted-secret-bucket")
    assert "planted" not in f"{found!r} {found} {found.model_dump_json()}"
    with pytest.raises(SettingsError) as caught:
        from_workspace(tmp_path, NIGHTLIGHTS_BUCKET="planted-secret-bucket", NIGHTLIGHTS_PLANET_SEED="x")
    assert "planted" not in str(caught.value)


def test_variables_of_a_file_do_not_replace_those_that_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLIGHTS_PLANET_SEED", "5")
    monkeypatch.setenv("NIGHTLIGHTS_PATCH_SIZE", "")
    monkeypatch.delenv("NIGHTLIGHTS_PATCH_SIZE")
    (tmp_path / ".env").write_text(
        "# a comment\nNIGHTLIGHTS_PLANET_SEED=9\nNIGHTLIGHTS_PATCH_SIZE='128'\nEMPTY=\n"
    )
    load_environment(tmp_path / ".env")
    found = Settings.from_environment()
    assert (found.planet_seed, found.patch_size) == (5, 128)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00KEY=1")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load_environment(tmp_path / ".env")


def test_the_example_names_every_setting_and_nothing_else() -> None:
    text = (Path(__file__).parent.parent / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?NIGHTLIGHTS_([A-Z0-9_]+)=", text, re.M)) - {"HOST", "PORT"}
    assert named == {name.upper() for name in Settings.model_fields}
    assert not re.search(r"^[^#\n]", text, re.M), "a line is not commented out"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NIGHTLIGHTS_SERVICE_ACCOUNT_KEY", '{"private_key": "planted-key"}'),
        ("NIGHTLIGHTS_SERVICE_ACCOUNT_KEY", "-----BEGIN PRIVATE KEY-----planted"),
        ("NIGHTLIGHTS_BUCKET", "gs://planted-bucket"),
    ],
)
def test_a_key_or_bucket_in_the_wrong_place_is_refused_without_being_shown(
    tmp_path: Path, variable: str, value: str
) -> None:
    with pytest.raises(SettingsError) as told:
        from_workspace(tmp_path, **{variable: value})
    assert variable in told.value.message
    assert "planted" not in f"{told.value}{told.value.message}{told.value.remedy}"
    with pytest.raises(SettingsError) as told:
        keep_connection(tmp_path, **{variable.removeprefix("NIGHTLIGHTS_").lower(): value})
    assert "planted" not in f"{told.value}{told.value.message}{told.value.remedy}"


@pytest.mark.parametrize("value", ["inf", "nan", "1e300", "0"])
def test_a_deadline_is_a_time_that_one_can_wait(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="NIGHTLIGHTS_REQUEST_DEADLINE_S"):
        from_workspace(tmp_path, NIGHTLIGHTS_REQUEST_DEADLINE_S=value)


def test_a_path_with_backslashes_is_kept_as_it_is(tmp_path: Path) -> None:
    key = tmp_path / "a\\\\b\\"
    key.touch()
    keep_connection(tmp_path, service_account_key=str(key), bucket="kept-bucket")
    found = from_workspace(tmp_path)
    assert (found.service_account_key, found.secrets) == (key, ("kept-bucket",))


def test_a_folder_in_the_place_of_the_kept_connection_is_told(tmp_path: Path) -> None:
    (tmp_path / CONNECTION_FILE).mkdir()
    with pytest.raises(WorkspaceError, match="a folder is in its place"):
        keep_connection(tmp_path, bucket="kept-bucket")
    assert [path.name for path in tmp_path.iterdir()] == [CONNECTION_FILE]


def test_an_environment_file_with_a_null_character_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"NIGHTLIGHTS_BUCKET=kept\0bucket\n")
    with pytest.raises(SettingsError, match="no variable can hold"):
        load_environment(tmp_path / ".env")
