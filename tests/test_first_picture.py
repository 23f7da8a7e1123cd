"""The first picture: there at once, before everything that takes time, and of the prediction that ships."""

import ast
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages_workspace import add_run, app
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from nightlights.firstlook import pictures_of, ready_made
from nightlights.interface.routes import routes
from nightlights.interface.warming import Warming
from nightlights.workspace import Workspace

__all__ = ["app"]

ROOT = Path(__file__).parent.parent
BEFORE_THE_PICTURE = ("app.py", "nightlights/interface/main.py", "pages/home.py")
SLOW_TO_IMPORT = {
    *("PIL.Image", "rasterio", "scipy", "shapely", "pandas", "pyogrio", "geopandas"),
    *("folium", "branca", "geemap", "ee", "matplotlib", "IPython", "streamlit_folium"),
    *("tensorflow", "keras", "sklearn"),
    *("nightlights.jobs", "nightlights.pipeline", "nightlights.experiments", "nightlights.examples"),
    *("nightlights.region_files", "nightlights.sources.earthengine"),
}
"""Half a second of work and more in all, before the quickest of the maps' libraries."""


@pytest.fixture(autouse=True)
def ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's own models, which the other tests do without."""
    monkeypatch.setenv("NIGHTLIGHTS_MODELS", str(ROOT / "models"))


def imports_of(path: Path) -> Iterator[str]:
    """The imports that run before anything else in the file, as source."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield ast.unparse(node)


def test_nothing_slow_is_imported_before_the_picture_is_there(tmp_path: Path) -> None:
    lines = [line for file in BEFORE_THE_PICTURE for line in imports_of(ROOT / file)]
    lines += [
        "import sys",
        "from pathlib import Path",
        "from nightlights.workspace import Workspace",
        f"space = Workspace.open(Path({str(tmp_path / 'workspace')!r}))",
        "assert look_at(space).simulated",
        "assert first_picture(space)",
        "print(*sys.modules)",
    ]
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    modules = set(result.stdout.split())
    assert "nightlights.interface.first_picture" in modules
    assert not modules & SLOW_TO_IMPORT


def test_the_picture_stands_above_everything_else(app: Any, tmp_path: Path) -> None:
    page = app("home", Workspace.open(tmp_path / "workspace"))
    story = page.columns[0]
    first = next(iter(story.children.values()))
    assert "nl-first" in first.proto.body
    for words in ("simulated", "30 m pixels", "500 m pixels", "nW/cm²/sr", "Landsat", "VIIRS", "sharpened"):
        assert words in first.proto.body


def test_whoever_has_a_run_is_shown_no_picture_that_ships(app: Any, tmp_path: Path) -> None:
    space = Workspace.open(tmp_path / "workspace")
    add_run(space)
    assert not [part for part in app("home", space).get("html") if "nl-first" in part.proto.body]


def test_the_pictures_have_an_address_and_nothing_else_has_one_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(Starlette(routes=routes())) as browser:
        for shown, kind in (("day", "webp"), ("night", "png"), ("sharpened", "webp")):
            answer = browser.get(f"/first-look/{shown}?v=1")
            assert answer.status_code == 200 and answer.headers["content-type"] == f"image/{kind}"
            assert "immutable" in answer.headers["cache-control"]
            assert len(answer.content) < 120_000
        for strange in ("prediction.json", "picture", "..%2Fdaytime%2Frun.json", "%00"):
            assert browser.get(f"/first-look/{strange}").status_code == 404
        shutil.copytree(ROOT / "models", tmp_path / "models")
        monkeypatch.setenv("NIGHTLIGHTS_MODELS", str(tmp_path / "models"))
        (tmp_path / "models" / "first-look" / "day.webp").unlink()
        assert browser.get("/first-look/night").status_code == 404


def test_the_pictures_show_the_prediction_that_ships() -> None:
    folder = ready_made()
    assert folder is not None
    pictures = pictures_of(folder)
    assert pictures is not None
    drawn = runpy.run_path(str(ROOT / "tools" / "first_look.py"))["draw_pictures"](folder)
    for shown, path in pictures.items():
        with Image.open(path) as image:
            shipped = np.asarray(image.convert("RGB"), dtype=float)
        difference = np.abs(shipped - np.asarray(drawn[shown], dtype=float))
        # Compressed with loss, but for VIIRS; another prediction differs by tens of levels.
        assert difference.mean() < (0.5 if shown == "night" else 8), shown


def test_maps_are_imported_piece_by_piece_while_no_page_is_waited_for() -> None:
    now, done, waited = [100.0], [], []
    # A page begins during the second wait, 1 s before it would be over.
    pages = {1: 1.0}

    def wait(seconds: float) -> None:
        early = pages.pop(len(waited), 0.0)
        waited.append(seconds)
        now[0] += seconds - early
        if early:
            warming.page_begins()
            now[0] += early

    def piece(name: str, seconds: float) -> Callable[[], None]:
        def work() -> None:
            now[0] += seconds
            done.append((name, now[0]))
            if name == "first":
                warming.page_begins()

        return work

    warming = Warming(3.0, lambda: now[0], wait)
    warming.run([piece("first", 1.0), piece("second", 1.0), piece("third", 1.0)])
    # 3 s after the start; 3 s after the page that began at 106; at once, as nothing has happened since.
    assert done == [("first", 104.0), ("second", 110.0), ("third", 111.0)]
    assert waited == [3.0, 3.0, 2.0]


def test_the_pieces_are_modules_and_leave_little_of_geemap_to_import() -> None:
    code = (
        "import importlib, sys; from nightlights.interface.warming import LIBRARIES;"
        "assert 'folium' not in sys.modules; [importlib.import_module(name) for name in LIBRARIES];"
        "print('geemap' in sys.modules, 'folium' in sys.modules, 'streamlit_folium' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    # Where streamlit_folium is imported by another thread than a page's, no map is ever shown.
    assert result.stdout.split() == ["False", "True", "False"]
