"""The rules of the house that a tool can check: floors, unsafe loading, sizes, imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "nightlights"
SOURCES = sorted([*PACKAGE.rglob("*.py"), ROOT / "app.py", *(ROOT / "pages").glob("*.py")])
FLOORS: dict[str, int] = {
    **dict.fromkeys(
        [
            "errors",
            "files",
            "progress",
            "grid",
            "observation",
            "glow_operator",
            "glow_records",
            "noise",
            "bands",
            "names",
            "settings",
            "composites",
            "common_scale",
            "fine_truth",
            "environment",
            "redaction",
            "manifests",
            "records",
            "run_records",
            "publication_records",
            "crossvalidation_records",
            "scores",
            "training_settings",
            "workspace",
            "prediction_names",
            "regions",
            "region_checks",
            "palettes",
            "devices",
            "wording",
            "footprint_terms",
            "footprint_trees",
        ],
        0,
    ),
    **dict.fromkeys(
        [
            "sources",
            "planet",
            "places",
            "region_files",
            "region_readers",
            "reference_systems",
            "presets",
            "datasets",
            "cog",
            "maps",
            "public_files",
        ],
        1,
    ),
    **dict.fromkeys(
        [
            "encodings",
            "dataset_export",
            "export_state",
            "radiance_counts",
            "patches",
            "patch_cache",
            "tfrecords",
            "storage",
        ],
        1,
    ),
    **dict.fromkeys(
        [
            "networks",
            "losses",
            "measured_input",
            "ensembles",
            "training",
            "models",
            "tensorflow_start",
            "prediction",
            "metrics",
            "splits",
            "baselines",
            "regressions",
            "sharpening",
            "uncertainty",
            "glow",
        ],
        2,
    ),
    **dict.fromkeys(
        [
            "pipeline",
            "jobs",
            "worker",
            "experiments",
            "publishing",
            "task_files",
            "report",
            "crossvalidation",
            "calibrating",
            "sweeps",
            "evaluation",
            "shipped",
            "promotion",
            "firstlook",
            "examples",
        ],
        3,
    ),
    **dict.fromkeys(["cli", "commands", "interface", "__main__"], 4),
}


def floor_of(path: Path) -> int:
    """The floor of a file, by the name of its room."""
    if PACKAGE not in path.parents:
        return 4
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return FLOORS[room] if room != "__init__" else 0


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            yield node.module or "", node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def test_imports_go_downward_only() -> None:
    wrong = []
    for path in SOURCES:
        for module, line in imports(path):
            parts = module.split(".")
            room = parts[1] if parts[0] == "nightlights" and len(parts) > 1 else ""
            if FLOORS.get(room, 0) > floor_of(path):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert rooms - {"__init__", "data"} <= set(FLOORS)


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("streamlit", lambda path: floor_of(path) == 4),
        ("ee", lambda path: path.parent.name == "earthengine" and path.parent.parent.name == "sources"),
        ("geemap", lambda path: path.name == "base_map.py"),
        ("pooch", lambda path: path.name == "public_files.py"),
        ("google", lambda path: path.parent.name in {"earthengine", "storage", "tfrecords"}),
        ("tensorflow", lambda path: floor_of(path) == 2),
        ("keras", lambda path: floor_of(path) == 2),
    ],
)
def test_a_package_is_imported_only_where_it_belongs(package: str, allowed: object) -> None:
    assert callable(allowed)
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        for module, line in imports(path)
        if module.split(".")[0] == package and not allowed(path)
    ]
    assert not wrong, wrong


def test_the_program_imports_no_benchmark() -> None:
    names = {path.stem for path in (ROOT / "benchmarks").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert {"standard", "study", "science"} <= names
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in SOURCES
        for module, line in imports(path)
        if module.split(".")[0] in {"benchmarks", *names}
    ]
    assert not wrong, "\n".join(wrong)


def called_name(node: ast.Call) -> str:
    return ast.unparse(node.func)


def test_nothing_loads_code_from_data_or_runs_a_shell() -> None:
    wrong = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                if called_name(node) in {"eval", "exec", "pickle.load", "pickle.loads", "os.system"}:
                    wrong.append(f"{place} calls {called_name(node)}")
                for keyword in node.keywords:
                    value = getattr(keyword.value, "value", None)
                    if (keyword.arg, value) in {
                        ("shell", True),
                        ("allow_pickle", True),
                        ("safe_mode", False),
                    }:
                        wrong.append(f"{place} passes {keyword.arg}={value}")
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                wrong.append(f"{place} catches everything")
    assert not wrong, "\n".join(wrong)


def test_a_room_is_one_idea_and_a_page_is_thin() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {path: n for path, n in lengths.items() if n > 450}
    assert not {path: n for path, n in lengths.items() if path.parts[0] == "pages" and n > 160}


def heavy_modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in result.stdout.split()}


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not heavy_modules_after("import nightlights") & {"numpy", "scipy", "pydantic", "rasterio"}


@pytest.mark.parametrize(
    "module", ["nightlights.jobs", "nightlights.pipeline", "nightlights.experiments", "nightlights.cli"]
)
def test_what_the_pages_import_never_imports_tensorflow(module: str) -> None:
    assert not heavy_modules_after(f"import {module}") & {"tensorflow", "keras", "geemap", "ee", "jax"}
