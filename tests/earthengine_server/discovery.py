"""The description of the service that the client asks for at its start.

The client's own test package carries one of 2020 for v1alpha: the names are brought to v1, and two methods
that came later are added.
"""

import functools
import json
from typing import Any

from .algorithms import shipped


@functools.lru_cache(maxsize=1)
def algorithms() -> bytes:
    """The answer to ``algorithms.list``, as shipped."""
    return shipped("algorithms.json").read_bytes()


@functools.lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    text = shipped("cloud_api_discovery_document.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text.replace("v1alpha", "v1"))
    projects = document["resources"]["projects"]
    projects["methods"]["getConfig"] = _method("getConfig", "GET", "name", "projects/[^/]+/config", "")
    projects["resources"]["image"]["methods"]["importExternal"] = _method(
        "image.importExternal", "POST", "project", "projects/[^/]+", "/image:importExternal"
    )
    return document


def _method(name: str, verb: str, parameter: str, pattern: str, ending: str) -> dict[str, Any]:
    path = f"v1/{{+{parameter}}}{ending}"
    method: dict[str, Any] = {
        "id": f"earthengine.projects.{name}",
        "path": path,
        "flatPath": path,
        "httpMethod": verb,
        "parameters": {
            parameter: {"location": "path", "required": True, "type": "string", "pattern": f"^{pattern}$"}
        },
        "parameterOrder": [parameter],
        "response": {"type": "any"},
    }
    if verb != "GET":
        method["request"] = {"type": "any"}
    return method


def discovery(base_url: str) -> bytes:
    """The discovery document for a server at ``base_url``."""
    return json.dumps({**_document(), "rootUrl": base_url + "/", "baseUrl": base_url + "/"}).encode()
