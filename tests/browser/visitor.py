"""What a person does in the browser: open a page, look at the map, draw on it. Waits for what is seen."""

import contextlib
from pathlib import Path
from typing import Any

from playwright.sync_api import FrameLocator, Locator, Page, Request, expect

TIMEOUT_MS = 30_000

expect.set_options(timeout=TIMEOUT_MS)


class Visitor:
    """A browser window on the app; requests to any other host fail and are noted."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.outside: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("crash", lambda _: self.errors.append("The page crashed."))
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

    def choose_role(self, role: str) -> None:
        """Choose what is drawn next, and wait until the map has been told by Python."""
        self.page.get_by_role("radio", name=role).click()
        self.map.locator(f"#map_div[data-role='{role}']").wait_for()

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
        return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}

    def draw_polygon(self, corners: list[tuple[float, float]]) -> None:
        """Draw by mouse; corners are pixels from the top left of the map."""
        self.map.locator(".leaflet-draw-draw-polygon").click()
        box = self._box()
        vertices = self.map.locator(".leaflet-marker-pane .leaflet-editing-icon")
        for number, (x, y) in enumerate(corners, start=1):
            self._click_until(box["x"] + x, box["y"] + y, vertices, number)
        self._click_until(box["x"] + corners[0][0], box["y"] + corners[0][1], vertices, 0)

    def _click_until(self, x: float, y: float, vertices: Locator, count: int) -> None:
        # Leaflet.draw ignores clicks within 50 ms of the last vertex: faster than a person, not than a test.
        for _ in range(20):
            self.page.mouse.move(x, y, steps=4)
            self.page.mouse.click(x, y)
            with contextlib.suppress(AssertionError):
                expect(vertices).to_have_count(count, timeout=400)
                return
        raise AssertionError(f"The map did not come to have {count} vertices.")

    def draw_rectangle(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw by mouse; corners are pixels from the top left of the map."""
        self.map.locator(".leaflet-draw-draw-rectangle").click()
        box = self._box()
        self.page.mouse.move(box["x"] + start[0], box["y"] + start[1], steps=3)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=8)
        self.page.mouse.up()

    def take_tool(self, tool: str) -> None:
        """Take the map's tool named ``edit`` or ``remove``."""
        self.map.locator(f".leaflet-draw-edit-{tool}").click()

    def leave_tool(self, action: str) -> None:
        """``Save`` or ``Cancel`` what the tool has done."""
        self.map.locator(".leaflet-draw-actions a:visible", has_text=action).click()

    def click_map(self, x: float, y: float) -> None:
        """Click; pixels are counted from the top left of the map."""
        box = self._box()
        self.page.mouse.click(box["x"] + x, box["y"] + y)

    def delete_everything_drawn(self) -> None:
        """Use the map's own tool: delete, all, which needs no confirmation of ours."""
        self.map.locator(".leaflet-draw-edit-remove").click()
        self.map.get_by_text("Clear All").click()

    @property
    def revision(self) -> str | None:
        """The state of the regions that the map was last given."""
        return self.map.locator("#map_div").get_attribute("data-revision")

    def drag_vertex(self, index: int, by: tuple[float, float]) -> None:
        """Edit the drawn shapes: move one vertex by pixels, save, and wait until Python has it."""
        before = self.revision
        self.take_tool("edit")
        self.move_vertex(index, by)
        self.leave_tool("Save")
        self.map.locator(f"#map_div:not([data-revision='{before}'])").wait_for()

    def move_vertex(self, index: int, by: tuple[float, float]) -> None:
        """Move one vertex by pixels while the shapes are being edited."""
        vertex = self.map.locator(".leaflet-marker-pane .leaflet-editing-icon").nth(index)
        box = vertex.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + by[0], y + by[1], steps=6)
        self.page.mouse.up()

    def script(self, expression: str) -> Any:
        """The value of a JavaScript expression inside the map's frame."""
        return self.map.locator("body").evaluate(f"() => {expression}")

    def screenshot(self, path: Path) -> None:
        """A picture of the window once it stands still: nothing loading, no job at work."""
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)
        self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
