"""The workspace: safe names, complete things only, settings from the environment."""

import doctest
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from nightlights import names
from nightlights.errors import NewerVersionError, SettingsError, WorkspaceError
from nightlights.manifests import (
    DatasetManifest,
    EpochRecord,
    ExportRequest,
    Failure,
    WindowRecord,
    read_record,
    write_record,
)
from nightlights.names import checked_name, joined_name, suggested_name, unused_name, with_digest
from nightlights.settings import Settings
from nightlights.training.history import read_history, write_history
from nightlights.workspace import Workspace


@given(st.text(max_size=80))
def test_every_suggested_name_is_valid(text: str) -> None:
    name = suggested_name(text)
    assert checked_name(name) == name


PARTS = st.from_regex(r"[a-cA0-9][a-cA0-9-]{0,30}", fullmatch=True)


@given(st.lists(PARTS, min_size=1, max_size=3), st.lists(PARTS, min_size=1, max_size=3))
@example(["a", "b-c"], ["a-b", "c"])
@example(["a", "b", "c"], ["a-b", "c"])
@example(["a-", "b"], ["a", "b-"])
@example(["First", "x"], ["first", "x"])
@example(["a", "b-12345678"], ["a-b", "12345678"])
@example(["x" * 64, "north"], ["x" * 64, "south"])
def test_joined_names_are_valid_and_differ_for_different_parts_also_without_case(
    one: list[str], other: list[str]
) -> None:
    joined = [joined_name(*one), joined_name(*other)]
    assert [checked_name(name).lower() for name in joined] == joined
    assert (joined[0] == joined[1]) == (one == other)


@given(PARTS, PARTS)
def test_a_name_with_a_digest_is_never_that_of_other_parts(run: str, region: str) -> None:
    digested = with_digest(f"{run}-{region}", run, region)
    beginning, _, end = digested.rpartition("-")
    assert joined_name(beginning, end) != digested


def test_ordinary_names_are_joined_by_a_hyphen() -> None:
    assert joined_name("cities-unet-small", "abuja") == "cities-unet-small-abuja"
    assert joined_name("demo", "dar_es_salaam") == "demo-dar_es_salaam"
    assert joined_name("x" * 64, "north").startswith("x" * 50)
    assert doctest.testmod(names).failed == 0


def test_unused_names_are_unused_also_without_case() -> None:
    assert unused_name("first", ["First", "FIRST-2"]) == "first-3"


def test_a_suggested_name_reads_like_the_text() -> None:
    assert suggested_name("São Paulo, north") == "sao-paulo-north"
    assert suggested_name("東京") == "unnamed"


@given(st.text(max_size=80))
def test_a_checked_name_never_leaves_its_folder(text: str) -> None:
    try:
        name = checked_name(text)
    except WorkspaceError as error:
        assert "letters, digits" in str(error)
    else:
        assert Path("/w", name).resolve() == Path("/w") / name
        assert not name.startswith((".", "-"))


@pytest.mark.parametrize("bad", ["", "..", "a/b", "a\\b", "a\n", ".hidden", "x" * 65, "nul", "ä"])
def test_a_name_that_could_do_harm_is_refused(bad: str) -> None:
    with pytest.raises(WorkspaceError):
        checked_name(bad)


def test_only_complete_folders_are_listed(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "w")
    for name in ("done", "half", ".partial-123-other"):
        folder = workspace.root / "datasets" / name
        folder.mkdir(parents=True)
        if name != "half":
            (folder / "dataset.json").write_text("{}")
    assert workspace.dataset_names() == ["done"]
    assert workspace.run_names() == []


def test_delete_removes_a_folder_of_the_workspace_and_nothing_else(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "w")
    folder = workspace.run_folder("a")
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    workspace.delete(folder)
    assert not list((workspace.root / "runs").iterdir())
    outside = tmp_path / "outside"
    outside.mkdir()
    for place in (outside, workspace.root, workspace.root.parent):
        with pytest.raises(WorkspaceError, match="not in the workspace"):
            workspace.delete(place)
    assert outside.is_dir()


def test_a_delete_cannot_climb_out_by_dots(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "w")
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(WorkspaceError, match="not in the workspace"):
        workspace.delete(workspace.root / ".." / "outside")
    assert outside.is_dir()


def test_a_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("")
    with pytest.raises(WorkspaceError, match="it is a file"):
        Workspace.open(tmp_path / "w")


def test_a_path_that_is_too_long_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"the name is too long\. Choose"):
        Workspace.open(tmp_path / ("x" * 300))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a read-only file system")
def test_an_unwritable_workspace_is_refused_with_a_remedy() -> None:
    with pytest.raises(WorkspaceError, match=r"Cannot make the folder /proc/.*Choose"):
        Workspace.open(Path("/proc/nightlights"))


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment({"NIGHTLIGHTS_MAXIMUM_REGION_KM2": "123.5", "OTHER": "1"})
    assert settings.maximum_region_km2 == 123.5


@pytest.mark.parametrize(
    ("variable", "value"),
    [("NIGHTLIGHTS_PATCH_SIZE", "100"), ("NIGHTLIGHTS_FWHM_M", "wide"), ("NIGHTLIGHTS_PLANET_SEED", "-1")],
)
def test_a_setting_that_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({variable: value})


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("banana", None, "is not a date"),
        (None, "2023-13-01", "is not a date"),
        ("2023-02-01", "2023-01-01", "before it starts"),
    ],
)
def test_a_period_that_is_none_is_refused(start: str | None, end: str | None, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ExportRequest(dataset="d", regions="r", period_start=start, period_end=end)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = WindowRecord(column=1, row=2, width=3, height=4)
    write_record(tmp_path / "a.json", record)
    assert read_record(tmp_path / "a.json", WindowRecord) == record


@pytest.mark.parametrize("text", ["", "{", "[]", '{"message": 3}', '{"remedy": "a"}', "\x00\xff"])
def test_a_broken_record_is_named_with_a_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(WorkspaceError, match=r"a\.json cannot be read: .*Restore it"):
        read_record(path, Failure)
    with pytest.raises(WorkspaceError, match="missing"):
        read_record(tmp_path / "b.json", Failure)


LATER: dict[str, Any] = {
    "schema_version": 1,
    "name": "a",
    "created": "2027-01-01T00:00:00Z",
    "source": {"kind": "simulated", "label": "x", "simulated": True, "parameters": {}, "glow": 0.2},
    "regions_name": "r",
    "bands": [],
    "point_spread_fwhm_m": 742.0,
    "regions": [],
    "noise": {"rho": 0.1},
}
"""A manifest of a later version within the same schema version: two fields more."""


def test_fields_of_a_later_version_are_kept_when_a_record_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(LATER))
    record = read_record(path, DatasetManifest)
    write_record(path, record.model_copy(update={"name": "b"}))
    written = json.loads(path.read_text())
    assert written["noise"] == LATER["noise"] and written["source"]["glow"] == 0.2 and written["name"] == "b"
    assert read_record(path, DatasetManifest) == record.model_copy(update={"name": "b"})


def test_unknown_fields_of_a_request_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        ExportRequest.model_validate({"dataset": "d", "regions": "r", "glow": 0.2})


def test_a_newer_schema_version_is_refused_by_name_and_nothing_is_to_be_deleted(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(LATER | {"schema_version": 2, "bands": "all"}))
    with pytest.raises(NewerVersionError, match=r"schema version 2.*Update the program") as error:
        read_record(path, DatasetManifest)
    assert "delete" not in str(error.value).lower()


def test_a_history_of_a_later_version_keeps_its_rows_and_columns(tmp_path: Path) -> None:
    epoch = EpochRecord(
        epoch=1, loss=2, train_rmse=3, evaluation_rmse=4, learning_rate=1e-3, seconds=5, patches_per_second=6
    )
    write_history(tmp_path, [epoch])
    header, row = (tmp_path / "history.csv").read_text().split()
    (tmp_path / "history.csv").write_text(f"{header},chi_square\n{row},0.9\n")
    (read,) = read_history(tmp_path)
    assert (read.epoch, read.evaluation_rmse) == (1, 4)
    write_history(tmp_path, [read, epoch.model_copy(update={"epoch": 2})])
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == f"{header},chi_square" and lines[1] == f"{row},0.9" and lines[2].endswith(",")
    assert [each.epoch for each in read_history(tmp_path)] == [1, 2]
