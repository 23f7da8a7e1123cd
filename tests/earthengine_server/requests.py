"""What a request asks for, and the documented limits on it.

https://developers.google.com/earth-engine/guides/usage#quotas and the reference of ``image.computePixels``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .failures import invalid
from .values import EarthImage, Grid

MAXIMUM_REQUEST_BYTES: Final = 48 * 1024 * 1024
"""Uncompressed size of the pixels of one request, in bytes."""
MAXIMUM_SIDE: Final = 32_768
"""Pixels on a side."""
MAXIMUM_BANDS: Final = 1_024
MAXIMUM_AT_ONCE: Final = 40
"""Requests that are computed at a time for a project; one more is answered 429."""
MAXIMUM_PAYLOAD_BYTES: Final = 10 * 1024 * 1024
"""Size of the request itself, in bytes."""
MAXIMUM_EXPORT_PIXELS: Final = 100_000_000
"""Unless ``maxPixels`` says otherwise."""


def number(value: Any, name: str) -> float:
    """A JSON number, which 64-bit integers are not: those are strings."""
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(f"Invalid value at '{name}': {value!r} is not a number.")
    return value


def known_fields(body: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    """Refuse what the service does not know, as it does."""
    for name in body:
        if name not in allowed:
            raise invalid(
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."
            )


def explicit_grid(grid: Mapping[str, Any] | None) -> Grid:
    """The pixel grid of a request, every part of which must be said.

    The real service fills in what is missing from the image, which is one degree a pixel for a composite:
    here that is refused, so that no request leaves it to chance.
    """
    if not grid:
        raise invalid("This server is strict: 'grid' is missing.")
    known_fields(grid, ("dimensions", "affineTransform", "crsCode", "crsWkt"), "grid")
    missing = [name for name in ("crsCode", "affineTransform", "dimensions") if not grid.get(name)]
    if missing:
        raise invalid(f"This server is strict: 'grid.{missing[0]}' is missing.")
    affine, dimensions = grid["affineTransform"], grid["dimensions"]
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    known_fields(affine, names, "grid.affine_transform")
    known_fields(dimensions, ("width", "height"), "grid.dimensions")
    for name in ("scaleX", "translateX", "scaleY", "translateY"):
        if name not in affine:
            raise invalid(f"This server is strict: 'grid.affineTransform.{name}' is missing.")
    a, b, c, d, e, f = (float(number(affine.get(name, 0), name)) for name in names)
    if not a or not e:
        raise invalid("Invalid affine transform: a pixel has no size.")
    width, height = (number(dimensions.get(side, 0), side) for side in ("width", "height"))
    if width < 1 or height < 1 or width != int(width) or height != int(height):
        raise invalid(f"Invalid pixel grid dimensions ({width}x{height}).")
    if max(width, height) > MAXIMUM_SIDE:
        raise invalid(
            f"Pixel grid dimensions ({int(width)}x{int(height)}) must be less than or equal to "
            f"{MAXIMUM_SIDE}."
        )
    return Grid(str(grid["crsCode"]), (a, b, c, d, e, f), int(width), int(height))


def chosen_bands(image: EarthImage, band_ids: Sequence[str] | None) -> EarthImage:
    """The bands that ``bandIds`` names, in its order; all of them where it names none."""
    if not band_ids:
        return image
    for name in band_ids:
        if name not in image.names:
            raise invalid(f"Image.select: Band pattern '{name}' did not match any bands.")
    return image.with_bands([image.band(name) for name in band_ids])


def check_size(image: EarthImage, grid: Grid) -> None:
    """Refuse more pixels than one request may bring."""
    if len(image.bands) > MAXIMUM_BANDS:
        raise invalid(f"Too many bands ({len(image.bands)}): must be less than or equal to {MAXIMUM_BANDS}.")
    size = grid.width * grid.height * sum(band.dtype.itemsize for band in image.bands)
    if size > MAXIMUM_REQUEST_BYTES:
        raise invalid(
            f"Total request size ({size} bytes) must be less than or equal to {MAXIMUM_REQUEST_BYTES} bytes."
        )


_ASSET_NAME = re.compile(r"projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/assets/[\w/-]+")


def check_name(name: Any) -> str:
    """The full name of an asset."""
    if not isinstance(name, str) or not _ASSET_NAME.fullmatch(name):
        raise invalid(f"Invalid asset name: '{name}'.")
    return name


def stated_grid(expression: Mapping[str, Any], image: EarthImage) -> Grid:
    """The pixels that an export asks for, which the client folds into the expression.

    The real service fills in what is missing; here crs, crsTransform and dimensions must all be said.
    """
    outer = _invocation(expression, {"valueReference": expression.get("result")})
    clipped = outer.get("functionName") == "Image.clipToBoundsAndScale"
    arguments = outer.get("arguments") or {}
    inner = _invocation(expression, arguments.get("input") or {})
    if (
        image.grid is None
        or not clipped
        or {"scale", "width", "height", "maxDimension"} & set(arguments)
        or inner.get("functionName") != "Image.reproject"
        or "crsTransform" not in (inner.get("arguments") or {})
    ):
        raise invalid(
            "This server is strict: an export must state crs, crsTransform and dimensions, and neither scale "
            "nor region."
        )
    return image.grid


def _invocation(expression: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "valueReference" in node:
        node = expression["values"][node["valueReference"]]
    invocation: Mapping[str, Any] = node.get("functionInvocationValue") or {}
    return invocation
