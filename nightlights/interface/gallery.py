"""Pairs of patches as small pictures: the daytime image in several composites beside VIIRS."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nightlights.bands import COMPOSITES, RADIANCE_UNIT, Band
from nightlights.datasets import Dataset
from nightlights.grid import FINE_PER_VIIRS, Window
from nightlights.manifests import DatasetManifest, Role
from nightlights.maps import Stretch, TileStyle, coloured

PICTURE_PIXELS = 192
"""Side of one picture."""
_QUALITY = 82


@dataclass(frozen=True, slots=True)
class PatchPlace:
    """Where a patch lies."""

    region: str
    role: Role
    window: Window


@dataclass(frozen=True, slots=True)
class PatchPictures:
    """A patch as WebP pictures, by title, in the order in which they are shown.

    ``mean`` and ``maximum`` are of VIIRS, in nW/cm2/sr, None where every pixel is missing.
    """

    place: PatchPlace
    pictures: dict[str, bytes]
    mean: float | None
    maximum: float | None
    missing_share: float


def patch_places(manifest: DatasetManifest, count: int, patch_size: int, seed: int) -> list[PatchPlace]:
    """Choose ``count`` patches at random, region after region, the same for the same ``seed``.

    Parameters
    ----------
    patch_size:
        Side in analysis pixels. A region that is smaller is shown whole.
    seed:
        Any number; the next one gives other patches.
    """
    side = max(1, patch_size // FINE_PER_VIIRS)
    generator = np.random.default_rng([seed, count])
    order = generator.permutation(len(manifest.regions))
    places = []
    for index in range(count if manifest.regions else 0):
        region = manifest.regions[order[index % len(order)]]
        window = region.window.window
        height, width = min(side, window.height), min(side, window.width)
        row = window.row + int(generator.integers(window.height - height + 1))
        column = window.column + int(generator.integers(window.width - width + 1))
        places.append(PatchPlace(region.name, region.role, Window(column, row, width, height)))
    return places


def composites(bands: Sequence[Band]) -> dict[str, tuple[str, ...]]:
    """Title to band names: the usual composites that ``bands`` allow, or else the first three or one."""
    names = [band.name for band in bands]
    known = {title: chosen for title, chosen in COMPOSITES.items() if set(chosen) <= set(names)}
    return known or ({"Daytime": tuple(names[:3] if len(names) >= 3 else names[:1])} if names else {})


def composite_rgb(
    image: NDArray[np.float32], bands: Sequence[Band], chosen: Sequence[str]
) -> NDArray[np.uint8]:
    """Render bands as colours, linear between each band's display limits.

    Parameters
    ----------
    image:
        Shape (bands, height, width), in the bands' units, NaN where missing.
    bands:
        The bands of ``image``, in order.
    chosen:
        Names of one band (grey) or three (red, green, blue). A band of an unknown quantity is shown
        between the 2nd and 98th percentile of the image, since its range is not known beforehand.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width, 4): red, green, blue and opacity, which is 0 where missing.
    """
    names = [band.name for band in bands]
    planes = image[[names.index(name) for name in chosen]]
    ranges = []
    for name, plane in zip(chosen, planes, strict=True):
        band = bands[names.index(name)]
        low, high = band.display_low, band.display_high
        known = plane[np.isfinite(plane)]
        if band.quantity == "other" and known.size:
            low, high = (float(value) for value in np.percentile(known, (2, 98)))
        ranges.append((low, max(high, low + 1e-9)))
    stretch = Stretch(tuple(range(1, len(planes) + 1)), tuple(ranges))
    known = np.asarray(np.isfinite(planes).all(axis=0))
    return coloured(planes, known, stretch, TileStyle())


def patch_pictures(dataset: Dataset, place: PatchPlace) -> PatchPictures:
    """Read one patch and render it: every composite, then VIIRS with its pixels shown as squares."""
    bands = dataset.manifest.bands
    daytime = dataset.read_daytime(place.region, place.window)
    viirs = dataset.read_nighttime(place.region, place.window)
    pictures = {
        title: _webp(composite_rgb(daytime, bands, chosen), Image.Resampling.BOX)
        for title, chosen in composites(bands).items()
    }
    squares = coloured(viirs[None], np.isfinite(viirs), "radiance", TileStyle())
    pictures["VIIRS"] = _webp(squares, Image.Resampling.NEAREST)
    known = viirs[np.isfinite(viirs)]
    return PatchPictures(
        place,
        pictures,
        mean=float(known.mean()) if known.size else None,
        maximum=float(known.max()) if known.size else None,
        missing_share=float(np.isnan(daytime).any(axis=0).mean()),
    )


def _webp(colours: NDArray[np.uint8], resampling: Image.Resampling) -> bytes:
    height, width = colours.shape[:2]
    scale = PICTURE_PIXELS / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    content = io.BytesIO()
    Image.fromarray(colours, "RGBA").resize(size, resampling).save(content, "WEBP", quality=_QUALITY)
    return content.getvalue()


def strip_html(patch: PatchPictures) -> str:
    """One patch as a row of pictures with their titles, and a line that says where and how bright."""
    figures = "".join(
        f'<figure><img alt="{html.escape(title)} of {html.escape(patch.place.region)}" '
        f'src="data:image/webp;base64,{base64.b64encode(content).decode()}">'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
        for title, content in patch.pictures.items()
    )
    west, south, east, north = patch.place.window.bounds
    facts = [position((south + north) / 2, (west + east) / 2)]
    if patch.mean is not None and patch.maximum is not None:
        facts.append(f"mean {patch.mean:.2f}, highest {patch.maximum:.1f} {RADIANCE_UNIT}")
    if patch.missing_share >= 0.0005:
        facts.append(f"{patch.missing_share:.1%} missing")
    return (
        f'<div class="patch"><div class="pictures">{figures}</div><div class="facts">'
        f'<b class="role-{patch.place.role}">{html.escape(patch.place.region)}</b> '
        f"{patch.place.role} · {' · '.join(facts)}</div></div>"
    )


def position(latitude: float, longitude: float, digits: int = 2) -> str:
    """A place in degrees, as people write it: "6.45° N, 3.38° E"."""
    north = f"{abs(latitude):.{digits}f}° {'N' if latitude >= 0 else 'S'}"
    return f"{north}, {abs(longitude):.{digits}f}° {'E' if longitude >= 0 else 'W'}"


def gallery_style(role_colours: dict[str, str]) -> str:
    """The style of the strips; ``role_colours`` maps role to CSS colour."""
    roles = "".join(f".patch .role-{role}{{color:{colour}}}" for role, colour in role_colours.items())
    return (
        "<style>.patches{display:grid;gap:18px 28px;"
        "grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}"
        ".patch .pictures{display:grid;gap:4px;grid-auto-flow:column;grid-auto-columns:1fr}"
        ".patch figure{margin:0}.patch img{width:100%;aspect-ratio:1;border-radius:3px;display:block;"
        "background:repeating-linear-gradient(45deg,#8883 0 3px,transparent 3px 7px)}"
        ".patch figcaption{font-size:.75rem;opacity:.7;margin-top:3px;text-align:center;line-height:1.2}"
        f".patch .facts{{font-size:.82rem;opacity:.9;margin-top:4px}}{roles}</style>"
    )
