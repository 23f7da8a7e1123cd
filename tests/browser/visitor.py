"""What a person does in the browser: open a page, look at the map, draw on it. Waits for what is seen."""

from pathlib import Path
from typing import Any

from playwright.sync_api import FrameLocator, Page, Request, expect

TIMEOUT_MS = 30_000


class Visitor:
    """A browser window on the app; requests to any other host fail and are noted."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.outside: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._note)
        page.route(lambda address: self._is_outside(address), lambda route: route.abort())

    def _is_outside(self, address: str) -> bool:
        return address.startswith("http") and not address.startswith("http://127.0.0.1")

    def _note(self, request: Request) -> None:
        if self._is_outside(request.url):
            self.outside.append(request.url)

    def open(self, path: str = "") -> None:
        """Go to a page and wait until the app has run it to its end."""
        self.page.goto(f"{self.url}/{path}")
        self.settle()

    def settle(self) -> None:
        """Wait until the page has content and the app is idle."""
        self.page.locator("h1").first.wait_for()
        app = self.page.get_by_test_id("stApp")
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=TIMEOUT_MS)

    @property
    def map(self) -> FrameLocator:
        """The inside of the map's frame."""
        return self.page.frame_locator("iframe[title*='st_folium']")

    def wait_for_map(self) -> None:
        """Wait until the map has its land outline, and so its scripts."""
        self.map.locator("#map_div[data-outline=shown]").wait_for()

    def expect_shapes(self, count: int) -> None:
        """Wait until the map holds ``count`` regions that Python knows."""
        self.map.locator(f"#map_div[data-regions='{count}']").wait_for()

    def set_view(self, latitude: float, longitude: float, zoom: float) -> None:
        """Move the map without animation."""
        self.map.locator("body").evaluate(
            "(_, view) => window.map.setView([view[0], view[1]], view[2], {animate: false})",
            [latitude, longitude, zoom],
        )

    def _box(self) -> dict[str, float]:
        frame = self.page.locator("iframe[title*='st_folium']")
        frame.scroll_into_view_if_needed()
        box = frame.bounding_box()
        assert box is not None
        return dict(box)

    def draw_polygon(self, corners: list[tuple[float, float]]) -> None:
        """Draw by mouse; corners are pixels from the top left of the map."""
        self.map.locator(".leaflet-draw-draw-polygon").click()
        box = self._box()
        for x, y in [*corners, corners[0]]:
            self.page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
            self.page.mouse.click(box["x"] + x, box["y"] + y)

    def draw_rectangle(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw by mouse; corners are pixels from the top left of the map."""
        self.map.locator(".leaflet-draw-draw-rectangle").click()
        box = self._box()
        self.page.mouse.move(box["x"] + start[0], box["y"] + start[1], steps=3)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=8)
        self.page.mouse.up()

    def script(self, expression: str) -> Any:
        """The value of a JavaScript expression inside the map's frame."""
        return self.map.locator("body").evaluate(f"() => {expression}")

    def screenshot(self, path: Path) -> None:
        """A picture of the window as it is."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
