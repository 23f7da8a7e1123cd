"""./run: sets up once, repairs what is broken, needs no network afterwards, and says what is missing."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASH = shutil.which("bash") or "/bin/bash"
MACOS_CACHE = "Library/Caches/ms-playwright"
PYTHON = """#!/bin/sh
# The real interpreter, but pip only writes down what it was asked for.
case "$*" in
  "-m pip install"*) echo "$*" >>"{log}"; exit {pip_exit};;
esac
exec "{real}" "$@"
"""


@dataclass
class Checkout:
    """A copy of the script beside a virtual environment whose pip only writes down its arguments."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    @property
    def tools(self) -> Path:
        return self.root / "tools"

    def make_python(self, path: Path, *, pip_exit: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PYTHON.format(log=self.root / "pip.log", real=sys.executable, pip_exit=pip_exit))
        path.chmod(0o755)

    def make_tool(self, name: str, script: str) -> None:
        self.tools.mkdir(exist_ok=True)
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def installs(self) -> list[str]:
        log = self.root / "pip.log"
        return log.read_text().splitlines() if log.exists() else []

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, str]:
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("NIGHTLIGHTS_")}
        result = subprocess.run(
            [str(self.root / "run"), *arguments],
            capture_output=True,
            text=True,
            cwd=cwd or self.root,
            env={**inherited, "PATH": path, **environment},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return result.returncode, result.stdout, result.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a folder"
    root.mkdir()
    for name in ("run", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    made = Checkout(root)
    made.make_python(made.python)
    made.make_tool("nvidia-smi", "exit 9")
    return made


def test_help_needs_nothing_and_an_unknown_word_is_refused(checkout: Checkout) -> None:
    shutil.rmtree(checkout.root / ".venv")
    code, out, _ = checkout.run("help")
    assert code == 0
    for word in ("app", "demo", "test", "lint", "tour", "nightlights", "earthengine-server", "HOST"):
        assert f"{word}" in out
    assert checkout.run() == (0, out, "")
    code, _, err = checkout.run("fly")
    assert code == 2
    assert "There is no ./run fly." in err
    assert not (checkout.root / ".venv").exists()


def test_the_second_start_installs_nothing_from_whatever_folder(checkout: Checkout, tmp_path: Path) -> None:
    code, out, err = checkout.run("nightlights", "--version", cwd=tmp_path)
    assert (code, out.split()[0]) == (0, "nightlights")
    assert "Installing" in err
    assert len(checkout.installs()) == 1
    assert checkout.installs()[0].endswith(f"-e {checkout.root}")
    assert checkout.run("nightlights", "--version") == (0, out, "")
    assert len(checkout.installs()) == 1


def test_a_change_of_the_requirements_installs_again(checkout: Checkout) -> None:
    checkout.run("nightlights", "--version")
    with (checkout.root / "requirements.txt").open("a") as requirements:
        requirements.write("# one more line\n")
    checkout.run("nightlights", "--version")
    assert len(checkout.installs()) == 2


def test_a_moved_checkout_installs_again(checkout: Checkout) -> None:
    checkout.run("nightlights", "--version")
    moved = Checkout(checkout.root.with_name("moved"))
    checkout.root.rename(moved.root)
    moved.run("nightlights", "--version")
    assert len(moved.installs()) == 1
    assert (moved.root / "pip.log").exists()


def test_an_installation_that_was_cut_short_is_tried_again(checkout: Checkout) -> None:
    checkout.make_python(checkout.python, pip_exit=1)
    code, out, err = checkout.run("nightlights", "--version")
    assert (code, out) == (2, "")
    assert "The installation stopped. Check the network" in err
    checkout.make_python(checkout.python)
    assert checkout.run("nightlights", "--version")[0] == 0
    assert len(checkout.installs()) == 2


def test_a_package_of_another_version_is_repaired(checkout: Checkout) -> None:
    checkout.run("nightlights", "--version")
    requirements = checkout.root / "requirements.txt"
    requirements.write_text(requirements.read_text().replace("psutil==", "psutil==0."))
    code, _, err = checkout.run("nightlights", "--version")
    assert code == 2
    assert "Remove .venv" in err
    assert "--force-reinstall" in checkout.installs()[-1]
    assert not (checkout.root / ".venv" / ".installed").exists()


def test_a_broken_interpreter_is_made_anew(checkout: Checkout) -> None:
    checkout.python.write_text("#!/bin/sh\nexit 1\n")
    checkout.make_tool("python3.13", f'mkdir -p "{checkout.root}/.venv/bin"; exit 3')
    checkout.make_tool(
        "fine-python",
        f"""case "$*" in
  "-m venv"*) mkdir -p "$3/bin"; cp "{checkout.root}/next" "$3/bin/python"; exit;;
esac
exec "{sys.executable}" "$@\"""",
    )
    checkout.make_python(checkout.root / "next")
    code, out, err = checkout.run("nightlights", "--version", PYTHON_FOR_VENV="python3.13 fine-python")
    assert code == 0, err
    assert "Making .venv" in err
    assert out.startswith("nightlights")


def test_a_missing_python_and_a_missing_venv_module_are_clear_words(checkout: Checkout) -> None:
    shutil.rmtree(checkout.root / ".venv")
    code, _, err = checkout.run("app", PYTHON_FOR_VENV="no-such-python")
    assert code == 2
    assert "Python 3.11, 3.12 or 3.13 is needed" in err
    checkout.make_tool(
        "old-python", f'[ "$2" = "import ensurepip, venv" ] && exit 1; exec "{sys.executable}" "$@"'
    )
    code, _, err = checkout.run("app", PYTHON_FOR_VENV="old-python")
    assert code == 2
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in err


def test_an_nvidia_gpu_brings_the_cuda_libraries_once(checkout: Checkout) -> None:
    checkout.run("nightlights", "--version")
    checkout.make_tool("nvidia-smi", 'echo "GPU 0: NVIDIA H200 (UUID: GPU-1)"')
    checkout.run("nightlights", "--version")
    assert "tensorflow[and-cuda]==2." in checkout.installs()[-1]
    checkout.run("nightlights", "--version")
    assert len(checkout.installs()) == 2
    # A driver that does not answer for once is no reason to install anything.
    checkout.make_tool("nvidia-smi", "exit 9")
    checkout.run("nightlights", "--version")
    assert len(checkout.installs()) == 2


def test_lint_installs_the_tools_and_they_stay_wanted(checkout: Checkout) -> None:
    checkout.run("lint")
    assert checkout.installs()[-1].endswith(f"-e {checkout.root}[dev]")
    (checkout.root / "requirements.txt").open("a").write("# one more line\n")
    checkout.run("nightlights", "--version")
    assert checkout.installs()[-1].endswith("[dev]")


def test_lint_checks_the_types_for_linux_and_for_macos(checkout: Checkout) -> None:
    real = checkout.python.read_text()
    case = f'  "-m ruff"* | "-m mypy"*) echo "$*" >>"{checkout.root / "tools.log"}"; exit;;'
    checkout.python.write_text(real.replace("esac", f"{case}\nesac"))
    code, _, err = checkout.run("lint")
    assert code == 0, err
    lines = (checkout.root / "tools.log").read_text().splitlines()
    checks = [line for line in lines if line.startswith("-m mypy")]
    assert sorted(line.split()[3] for line in checks) == ["darwin", "linux"]


@pytest.mark.parametrize(
    "place",
    [
        ".cache/ms-playwright/chromium-1200/chrome-linux64/chrome",
        f"{MACOS_CACHE}/chromium-1180/chrome-mac/Chromium.app/Contents/MacOS/Chromium",
        f"{MACOS_CACHE}/chromium-1200/chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Chrome",
    ],
)
def test_the_browser_of_playwright_is_found_on_linux_and_on_macos(
    checkout: Checkout, tmp_path: Path, place: str
) -> None:
    browser = tmp_path / "home" / place
    browser.parent.mkdir(parents=True)
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    function = (ROOT / "run").read_text().partition("find_chromium() {")[2].partition("\n}")[0]
    result = subprocess.run(
        [
            shutil.which("bash") or "/bin/bash",
            "-c",
            f"set -eu\nfind_chromium() {{{function}\n}}\nfind_chromium",
        ],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path / "home"), "PATH": "/nonexistent"},
        check=False,
    )
    assert result.stdout.strip() == str(browser), result.stderr


def test_the_local_earth_engine_installs_the_tools_and_says_what_it_does_not_know(
    checkout: Checkout, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "tests" / "earthengine_server", checkout.root / "tests" / "earthengine_server")
    code, _, err = checkout.run("earthengine-server", "--faults", "nonsense=1", cwd=tmp_path)
    assert code == 2
    assert "'nonsense' is no fault" in err
    assert checkout.installs()[-1].endswith(f"-e {checkout.root}[dev]")


def test_the_workspace_lies_beside_the_script(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("nightlights", "regions", "preset", "demo", cwd=tmp_path)
    assert (checkout.root / "workspace" / "regions" / "demo.geojson").is_file()
    checkout.run("nightlights", "regions", "preset", "demo", NIGHTLIGHTS_WORKSPACE=str(tmp_path / "other"))
    assert (tmp_path / "other" / "regions" / "demo.geojson").is_file()
