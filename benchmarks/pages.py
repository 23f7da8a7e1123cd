"""How long a page takes from its address to its heading and to its end, in real Chromium, server up.

Beside it, in the same run, a Streamlit page with nothing but a heading: what the framework itself takes.

Give a workspace with content: ``python benchmarks/pages.py WORKSPACE``. The first visit of all, which also
waits for imports, is shown apart. Also says whether the server's process ever imported TensorFlow.
"""

import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.server import CHROMIUM_FLAGS, chromium, running_app
from tests.browser.visitor import Visitor

PAGES = ("", "regions", "imagery", "train", "compare", "experiments")


def visit(page: Page, url: str, path: str) -> tuple[float, float]:
    """Seconds until the heading shows, and until the script has ended."""
    visitor = Visitor(page, url)
    start = time.perf_counter()
    page.goto(f"{url}/{path}")
    page.locator("h1").first.wait_for()
    heading = time.perf_counter() - start
    visitor.settle()
    return heading, time.perf_counter() - start


def median_visit(browser: Browser, url: str, path: str) -> tuple[float, float]:
    """The medians of five visits, each in a browser window of its own with nothing cached."""
    times = []
    for _ in range(5):
        context = browser.new_context()
        times.append(visit(context.new_page(), url, path))
        context.close()
    heading, whole = (sorted(column)[2] for column in zip(*times, strict=True))
    return heading, whole


def main(workspace: str) -> None:
    """Print a line a page, with its time as a multiple of the bare page's."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        log = Path(folder) / "app.log"
        bare_script = Path(folder) / "bare.py"
        bare_script.write_text("import streamlit as st\n\nst.title('Bare')\n")
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        with running_app(Path(folder), log, script=str(bare_script)) as bare:
            visit(browser.new_context().new_page(), bare.url, "")
            floor = median_visit(browser, bare.url, "")
        print(f"{'bare page':12} heading {floor[0]:.2f} s, whole page {floor[1]:.2f} s")
        with running_app(Path(workspace).resolve(), log) as app:
            first = visit(browser.new_context().new_page(), app.url, "")
            print(f"{'first visit':12} heading {first[0]:.2f} s, whole page {first[1]:.2f} s")
            for path in PAGES:
                heading, whole = median_visit(browser, app.url, path)
                ratios = f"{heading / floor[0]:.1f} x and {whole / floor[1]:.1f} x the bare page"
                print(f"{path or 'home':12} heading {heading:.2f} s, whole page {whole:.2f} s; {ratios}")
            servers = [
                child for child in psutil.Process().children() if "streamlit" in " ".join(child.cmdline())
            ]
            mapped = {Path(entry.path).name for child in servers for entry in child.memory_maps()}
            print("TensorFlow in the server:", any("tensorflow" in name for name in mapped))
            print(f"server memory: {sum(child.memory_info().rss for child in servers) / 1e6:.0f} MB")
            browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
