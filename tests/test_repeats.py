"""CI repeats browser tests once and names the flaky ones; every other failure counts at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = """
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def fail_first(name: str, times: int) -> None:
    counter = HERE / f"{name}.count"
    runs = len(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text("." * runs)
    assert runs > times, f"{name} fails in run {runs}"


def test_plain() -> None:
    fail_first("plain", PLAIN)


@pytest.mark.browser
def test_browser() -> None:
    fail_first("browser", BROWSER)
"""


def pytest_on(folder: Path, *options: str, plain: int, browser: int, ci: str) -> tuple[int, str]:
    """Exit status and output of a run with this conftest, of two tests that fail so often at first."""
    file = folder / "test_small.py"
    file.write_text(TESTS.replace("PLAIN", str(plain)).replace("BROWSER", str(browser)))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {"CI": ci, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])}
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(folder), "-p", "no:cacheprovider", *options, str(file)]
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, check=False, timeout=120
    )
    return result.returncode, result.stdout


def runs(folder: Path, name: str) -> int:
    return len((folder / f"{name}.count").read_text())


@pytest.mark.parametrize("options", [(), ("--numprocesses", "2", "--dist", "loadfile")])
def test_a_browser_test_that_fails_once_passes_and_is_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, out = pytest_on(tmp_path, *options, plain=0, browser=1, ci="true")
    assert code == 0, out
    assert (runs(tmp_path, "plain"), runs(tmp_path, "browser")) == (1, 2)
    summary = out[out.index("flaky tests: failed once, passed when repeated") :]
    assert "browser fails in run 1" in summary
    assert "FLAKY test_small.py::test_browser" in summary
    assert "RERUN test_small.py::test_browser" in out
    assert "1 rerun" in out


@pytest.mark.parametrize("options", [(), ("--numprocesses", "2", "--dist", "loadfile")])
def test_another_test_that_fails_once_makes_the_run_fail(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, out = pytest_on(tmp_path, *options, plain=1, browser=0, ci="true")
    assert code == 1, out
    assert (runs(tmp_path, "plain"), runs(tmp_path, "browser")) == (1, 1)
    assert "FAILED test_small.py::test_plain" in out
    assert "FLAKY" not in out


def test_a_browser_test_that_fails_twice_makes_the_run_fail(tmp_path: Path) -> None:
    code, out = pytest_on(tmp_path, plain=0, browser=2, ci="true")
    assert code == 1, out
    assert runs(tmp_path, "browser") == 2
    assert "FAILED test_small.py::test_browser" in out
    assert "FLAKY" not in out


def test_outside_ci_nothing_is_repeated(tmp_path: Path) -> None:
    code, out = pytest_on(tmp_path, plain=0, browser=1, ci="")
    assert code == 1, out
    assert runs(tmp_path, "browser") == 1
