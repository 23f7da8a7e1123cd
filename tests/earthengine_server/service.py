"""The methods of the service, without HTTP: a path and a body in, an answer out."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import answers, discovery
from .algorithms import ExpressionError
from .assets import Assets
from .exports import Exports
from .failures import ServiceError, invalid, not_found, too_many_requests
from .faults import Faults
from .imports import Imports
from .operations import Operations
from .pixels import CONTENT_TYPES, geotiff, npy, png
from .requests import MAXIMUM_AT_ONCE, check_size, chosen_bands, explicit_grid, known_fields
from .storage import StorageEmulator
from .tiles import Maps
from .values import Collection, EarthImage, Feature, render

JSON = "application/json; charset=UTF-8"
_PROJECT = re.compile(r"/v1/(projects/[^/:]+)(.*)", re.DOTALL)
_TILE = re.compile(r"(/maps/[^/]+)/tiles/(-?\d+)/(-?\d+)/(-?\d+)")


@dataclass(frozen=True)
class Call:
    """What is asked of a method: its project, the rest of its path, the query and the body."""

    project: str
    path: str
    query: Mapping[str, str]
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """The resource that the path names."""
        return self.project + self.path.split(":")[0]


@dataclass(frozen=True)
class Answer:
    """The body of an answer and its type."""

    content: bytes
    content_type: str = JSON


class Service:
    """Earth Engine's methods over an interpreter."""

    def __init__(
        self, interpreter: Any, faults: Faults, storage: StorageEmulator, drive: Path | None = None
    ) -> None:
        self.interpreter = interpreter
        self.faults = faults
        self.operations = Operations(faults)
        self.assets = Assets(interpreter.scenes)
        self.maps = Maps()
        self.exports = Exports(self.evaluate, self.operations, self.assets, storage, faults, drive)
        self.imports = Imports(self.operations, self.assets, storage, faults)
        self._computing = 0
        self._lock = threading.Lock()
        self._methods: dict[tuple[str, str], Callable[[Call], Any]] = {
            ("GET", "/algorithms"): lambda call: Answer(discovery.algorithms()),
            ("GET", "/config"): lambda call: {
                "name": f"{call.project}/config",
                "registrationState": "REGISTERED_NOT_COMMERCIALLY",
                "maxConcurrentExports": 2,
            },
            ("POST", "/value:compute"): self._value,
            ("POST", "/image:computePixels"): self._pixels,
            ("POST", "/table:computeFeatures"): self._features,
            ("POST", "/maps"): self._map,
            ("POST", "/image:export"): self.exports.image,
            ("POST", "/table:export"): self.exports.table,
            ("POST", "/image:import"): self.imports.image,
            ("GET", "/operations"): self._list_operations,
            ("GET", ":listAssets"): self.assets.list_children,
            ("POST", "/assets"): self.assets.create,
        }

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes, base_url: str) -> Answer:
        """Answer one request.

        Raises
        ------
        ServiceError
            When the answer is an error.
        """
        if path == "/$discovery/rest":
            return Answer(discovery.discovery(base_url))
        matched = _PROJECT.fullmatch(path)
        if not matched:
            raise not_found(f"There is no {path}.")
        project, rest = matched.groups()
        refused = self.faults.refuse(project)
        if refused is not None:
            raise refused
        try:
            parsed = json.loads(body) if body else {}
        except ValueError as error:
            raise invalid(f"Invalid JSON payload received. {error}") from None
        call = Call(project, rest, query, parsed)
        try:
            result = self._method(method, rest)(call)
        except ExpressionError as error:
            raise invalid(str(error)) from error
        return result if isinstance(result, Answer) else Answer(json.dumps(result).encode())

    def _method(self, method: str, path: str) -> Callable[[Call], Any]:
        known = self._methods.get((method, path))
        if known is not None:
            return known
        if method == "GET" and _TILE.fullmatch(path):
            return self._tile
        if path.startswith("/operations/"):
            if method == "GET":
                return lambda call: self.operations.get(call.name).to_json()
            if method == "POST" and path.endswith(":cancel"):
                return self._cancel
            if method == "POST" and path.endswith(":wait"):
                return self._wait
        if path.startswith("/assets"):
            found = self.assets.method(method, path)
            if found is not None:
                return found
        raise not_found(f"This server has no method for {method} {path}.")

    def evaluate(self, expression: Mapping[str, Any] | None) -> Any:
        """The value of an expression; the interpreter checks it first."""
        if not expression:
            raise invalid("Invalid value at 'expression': it is missing.")
        return self.interpreter.evaluate(expression)

    def image(self, expression: Mapping[str, Any] | None) -> EarthImage:
        """The image that an expression gives."""
        value = self.evaluate(expression)
        if not isinstance(value, EarthImage):
            raise invalid(f"Expected type: Image<unknown bands>. Actual type: {type(value).__name__}.")
        return value

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with self._lock:
            if self._computing >= MAXIMUM_AT_ONCE:
                raise too_many_requests()
            self._computing += 1
        try:
            yield
        finally:
            with self._lock:
                self._computing -= 1

    def _value(self, call: Call) -> Any:
        known_fields(call.body, ("expression", "workloadTag"), "request")
        with self._slot():
            return {"result": answers.to_json(self.evaluate(call.body.get("expression")))}

    def _pixels(self, call: Call) -> Answer:
        body = call.body
        known_fields(
            body,
            ("expression", "fileFormat", "grid", "bandIds", "visualizationOptions", "workloadTag"),
            "request",
        )
        file_format = body.get("fileFormat", "PNG")
        file_format = "PNG" if file_format == "AUTO_JPEG_PNG" else file_format
        if file_format not in CONTENT_TYPES:
            raise invalid(f"This server sends {', '.join(CONTENT_TYPES)}, not {file_format}.")
        grid = explicit_grid(body.get("grid"))
        with self._slot():
            image = chosen_bands(self.image(body.get("expression")), body.get("bandIds"))
            check_size(image, grid)
            if file_format == "PNG":
                content = png(image, grid, body.get("visualizationOptions"))
            elif body.get("visualizationOptions"):
                raise invalid("This server visualizes pictures alone.")
            else:
                pixels = render(image, grid)
                content = npy(pixels) if file_format == "NPY" else geotiff(pixels, grid)
        return Answer(content, CONTENT_TYPES[file_format])

    def _features(self, call: Call) -> Any:
        body = call.body
        known_fields(body, ("expression", "pageSize", "pageToken", "workloadTag"), "request")
        with self._slot():
            value = self.evaluate(body.get("expression"))
            features = value.all() if isinstance(value, Collection) and not value.images else None
            if isinstance(value, Feature):
                features = [value]
            if features is None:
                raise invalid("Expected a FeatureCollection.")
            first = int(body.get("pageToken") or 0)
            size = min(int(body.get("pageSize") or 1000), 1000)
            page = [answers.feature(one) for one in features[first : first + size]]
        answer: dict[str, Any] = {"type": "FeatureCollection", "features": page}
        if first + size < len(features):
            answer["nextPageToken"] = str(first + size)
        return answer

    def _map(self, call: Call) -> Any:
        body = call.body
        known_fields(
            body,
            ("name", "expression", "fileFormat", "bandIds", "visualizationOptions", "workloadTag"),
            "earth_engine_map",
        )
        return {"name": self.maps.add(call.project, self.image(body.get("expression")), body)}

    def _tile(self, call: Call) -> Answer:
        matched = _TILE.fullmatch(call.path)
        assert matched is not None
        zoom, column, row = (int(part) for part in matched.groups()[1:])
        with self._slot():
            picture = self.maps.draw(call.project + matched.group(1), zoom, column, row)
        return Answer(picture, "image/png")

    def _list_operations(self, call: Call) -> Any:
        first = int(call.query.get("pageToken") or 0)
        size = int(call.query.get("pageSize") or 100)
        found = self.operations.list(call.project)
        answer: dict[str, Any] = {"operations": [one.to_json() for one in found[first : first + size]]}
        if first + size < len(found):
            answer["nextPageToken"] = str(first + size)
        return answer

    def _cancel(self, call: Call) -> Any:
        self.operations.cancel(call.name)
        return {}

    def _wait(self, call: Call) -> Any:
        operation = self.operations.get(call.name)
        timeout = str(call.body.get("timeout") or "30s")
        operation.finished.wait(float(timeout.removesuffix("s")))
        return operation.to_json()


def as_error(error: Exception) -> ServiceError:
    """An error of the server itself, so that it is seen and not mistaken for the service's."""
    return ServiceError(500, f"The local test server failed: {type(error).__name__}: {error}")
