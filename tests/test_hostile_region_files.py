"""Hostile files of regions: none reads another file, sends a request or raises a traceback."""

# ruff: noqa: S608 - the SQL is that of the hostile files

import io
import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from pages_workspace import app
from rasterio.crs import CRS
from shapely import box

from nightlights import region_readers
from nightlights.cli import main
from nightlights.errors import RegionError
from nightlights.region_files import ImportedRegions, import_regions, import_upload
from nightlights.settings import Settings
from nightlights.workspace import Workspace

__all__ = ["app"]

AREA = box(29.2, -2.8, 29.6, -2.4)
ATTACKS = Path(__file__).parents[2] / "shared" / "cases" / "attacks"
UNKNOWN = "coordinate reference system of {} is unknown"


class Listener:
    """A port that records connections: whoever connects waits in its queue, and is never answered."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self._socket.setblocking(False)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/areas.geojson"

    def connections(self) -> int:
        count = 0
        while True:
            try:
                self._socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "2")
    listener = Listener()
    yield listener
    assert listener.connections() == 0
    listener.close()


def upload(filename: str, content: bytes) -> ImportedRegions:
    return import_upload(filename, content, Settings())


def error_of(filename: str, content: bytes) -> str:
    with pytest.raises(RegionError) as caught:
        upload(filename, content)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for suffix, content in parts.items():
            archive.writestr(f"areas.{suffix}", content)
    return buffer.getvalue()


def write(path: Path, driver: str, layer: str = "areas") -> None:
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(AREA)], dtype=object),
        [np.array(["north"], dtype=object)],
        ["name"],
        crs="EPSG:4326",
        driver=driver,
        geometry_type="Polygon",
        layer=layer,
    )


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, bytes]:
    """A valid Shapefile: its parts by suffix."""
    folder = tmp_path / "shapefile"
    folder.mkdir()
    write(folder / "areas.shp", "ESRI Shapefile")
    return {part.suffix[1:]: part.read_bytes() for part in folder.iterdir()}


@pytest.fixture
def geopackage(tmp_path: Path) -> Path:
    path = tmp_path / "areas.gpkg"
    write(path, "GPKG")
    return path


def vrt(source: str, layer: str) -> bytes:
    return (
        f'<OGRVRTDataSource><OGRVRTLayer name="{layer}"><SrcDataSource>{source}</SrcDataSource>'
        f"<LayerSRS>EPSG:4326</LayerSRS></OGRVRTLayer></OGRVRTDataSource>"
    ).encode()


def geojson(crs: object) -> bytes:
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(AREA)}
    content = {"type": "FeatureCollection", "features": [feature]}
    return json.dumps({**content, "crs": {"type": "name", "properties": {"name": crs}}}).encode()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text(f'name,WKT\nconfidential,"{AREA.wkt}"\n')
    return path


@pytest.fixture
def hostile(secret: Path, listener: Listener) -> dict[str, bytes]:
    """Archives whose ``.shp`` makes GDAL read another file of the server, or ask a server."""
    wfs = f"<OGRWFSDataSource><URL>{listener.url}</URL></OGRWFSDataSource>".encode()
    return {
        "file": zipped({"shp": vrt(str(secret), "secret")}),
        "request": zipped({"shp": vrt(f"/vsicurl/{listener.url}", "areas")}),
        "service": zipped({"shp": wfs}),
        "table": zipped({"shp": secret.read_bytes()}),
        "collection": zipped({"shp": geojson("EPSG:4326")}),
    }


KINDS = ["file", "request", "service", "table", "collection"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_whose_shapefile_is_of_another_format_is_refused(
    hostile: dict[str, bytes], kind: str
) -> None:
    assert "areas.zip is not a Shapefile: its .shp part has another format" in error_of(
        "areas.zip", hostile[kind]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_line_refuses_it_in_one_sentence(
    tmp_path: Path, hostile: dict[str, bytes], kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "areas.zip"
    path.write_bytes(hostile[kind])
    code = main(["--workspace", str(tmp_path / "w"), "regions", "import", str(path), "--name", "x"])
    output, error = capfd.readouterr()
    assert (code, output) == (2, "")
    assert "is not a Shapefile" in error
    assert error.count("\n") == 1
    assert "confidential" not in error


def test_a_shapefile_on_the_disk_of_another_format_is_refused(tmp_path: Path, secret: Path) -> None:
    path = tmp_path / "areas.shp"
    path.write_bytes(vrt(str(secret), "secret"))
    with pytest.raises(RegionError, match=r"areas\.shp is not a Shapefile"):
        import_regions(path, Settings())


def test_the_page_refuses_it(app: Callable[..., Any], tmp_path: Path, hostile: dict[str, bytes]) -> None:
    page = app("regions", Workspace.open(tmp_path / "workspace"))
    page.file_uploader[0].set_value(("areas.zip", hostile["file"], "application/zip")).run()
    assert not page.exception
    assert any("areas.zip is not a Shapefile" in error.value for error in page.error)
    assert "confidential" not in str(page)


def test_an_index_of_another_format_is_refused(parts: dict[str, bytes], secret: Path) -> None:
    content = zipped({**parts, "shx": vrt(str(secret), "secret")})
    assert "its .shx part has another format" in error_of("areas.zip", content)


def test_a_file_that_another_driver_opens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_readers, "_SHAPEFILE_MAGIC", b"")
    content = zipped({"shp": geojson("EPSG:4326")})
    assert "areas.zip is of another format than its name" in error_of("areas.zip", content)


def change(path: Path, *statements: str) -> bytes:
    """Run SQL on a GeoPackage, its schema writable; gives its content."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA writable_schema = ON")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return path.read_bytes()


def as_layer(name: str) -> tuple[str, str]:
    return (
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
        f"VALUES ('{name}', 'features', '{name}', 4326)",
        f"INSERT INTO gpkg_geometry_columns VALUES ('{name}', 'geom', 'POLYGON', 4326, 0, 0)",
    )


@pytest.mark.parametrize(
    "expression",
    [
        "load_extension('x.so')",
        "ogr_datasource_load_layers('secret.csv')",
        "gdal_get_pixel_value('x.tif', 1, 'pixel', 0, 0)",
        "(SELECT 1)",
    ],
)
def test_a_geopackage_whose_view_calls_a_function_is_refused(geopackage: Path, expression: str) -> None:
    view = f"CREATE VIEW v AS SELECT fid, geom, {expression} AS name FROM areas"
    message = error_of("areas.gpkg", change(geopackage, view, *as_layer("v")))
    assert "holds a view or a virtual table, 'v', that may compute or read files" in message


@pytest.mark.parametrize("name", ["v", "gpkg_extensions"])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT a.* FROM areas a, areas b, areas c WHERE a.fid + b.fid < 0",
        "SELECT a.* FROM areas a JOIN areas b",
        "SELECT fid FROM areas WHERE fid < 0",
        "SELECT fid, geom, name || name AS name FROM areas",
        "SELECT fid FROM areas UNION ALL SELECT fid FROM areas",
        "SELECT fid/**/FROM areas, areas b",
        "WITH RECURSIVE a AS NOT MATERIALIZED (SELECT 1) SELECT * FROM a",
    ],
)
def test_a_geopackage_whose_view_computes_is_not_opened(
    geopackage: Path, monkeypatch: pytest.MonkeyPatch, name: str, query: str
) -> None:
    content = change(geopackage, f"DROP TABLE IF EXISTS {name}", f"CREATE VIEW {name} AS {query}")
    monkeypatch.setattr(pyogrio, "list_layers", lambda path: pytest.fail(f"GDAL opens {path}"))
    assert f"holds a view or a virtual table, '{name}', that may compute" in error_of("areas.gpkg", content)


@pytest.mark.parametrize("name", ["v", "v USING rtree(", 'v" USING rtree('])
def test_a_geopackage_with_a_virtual_table_of_another_file_is_refused(
    geopackage: Path, secret: Path, name: str
) -> None:
    quoted = name.replace('"', '""')
    statement = f"""CREATE VIRTUAL TABLE "{quoted}" USING VirtualOGR('{secret}')""".replace("'", "''")
    row = f"INSERT INTO sqlite_master VALUES ('table', '{name}', '{name}', 0, '{statement}')"
    content = change(geopackage, row, *as_layer(name))
    assert "holds a view or a virtual table" in error_of("areas.gpkg", content)


def test_a_view_that_is_a_layer_is_refused(geopackage: Path) -> None:
    content = change(geopackage, "CREATE VIEW v AS SELECT fid, geom, name FROM areas", *as_layer("v"))
    assert "The layer v of areas.gpkg is not a table" in error_of("areas.gpkg", content)


@pytest.mark.parametrize("kind", ["VIRTUAL", "STORED", ""])
@pytest.mark.parametrize("table", ["areas", "Other", 'q"x', "gpkg_metadata"])
def test_a_geopackage_with_a_generated_column_is_refused(
    geopackage: Path, monkeypatch: pytest.MonkeyPatch, table: str, kind: str
) -> None:
    quoted = '"' + table.replace('"', '""') + '"'
    expression = "(replace(hex(zeroblob(1e8)), '0', 'aaaaaaaaaa'))"
    generated = f"extra TEXT GENERATED ALWAYS AS {expression}" if kind else f"extra AS {expression}"
    statements = [f"CREATE TABLE {quoted} (fid INTEGER PRIMARY KEY, geom BLOB, {generated} {kind})"]
    if table == "areas":
        statements.insert(0, "ALTER TABLE areas RENAME TO former")
    content = change(geopackage, *statements)
    monkeypatch.setattr(pyogrio, "list_layers", lambda path: pytest.fail(f"GDAL opens {path}"))
    assert "areas.gpkg holds a generated column, 'extra'" in error_of("areas.gpkg", content)


@pytest.mark.parametrize("name", ["AREAS", "Areas"])
def test_a_layer_whose_table_differs_in_case_only_is_read(geopackage: Path, name: str) -> None:
    content = change(
        geopackage,
        f"UPDATE gpkg_contents SET table_name = '{name}'",
        f"UPDATE gpkg_geometry_columns SET table_name = '{name}'",
    )
    assert [region.name for region in upload("areas.gpkg", content).regions] == ["north"]


def test_a_view_named_as_a_table_with_another_umlaut_is_refused(geopackage: Path) -> None:
    # SQLite folds the case of ASCII only, so that these are two names.
    statements = ('CREATE TABLE "Ä" (fid)', 'CREATE VIEW "ä" AS SELECT fid, geom, name FROM areas')
    content = change(geopackage, *statements, *as_layer("ä"))
    assert "The layer ä of areas.gpkg is not a table" in error_of("areas.gpkg", content)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW st_spatial_ref_sys AS SELECT srs_name, srs_id, organization FROM gpkg_spatial_ref_sys",
        'CREATE VIEW "a b" AS\nSELECT s.srs_id AS "x y", s.* , srs_id i\nFROM gpkg_spatial_ref_sys AS s ;',
    ],
)
def test_views_of_one_table_and_the_spatial_index_are_no_hindrance(geopackage: Path, statement: str) -> None:
    assert [region.name for region in upload("a.gpkg", change(geopackage, statement)).regions] == ["north"]


def define(path: Path, definition: str | bytes, column: str = "definition", *, number: int = 5) -> bytes:
    """Define the reference system of the layer in a GeoPackage."""
    database = sqlite3.connect(path)
    names = [row[1] for row in database.execute("PRAGMA table_info(gpkg_spatial_ref_sys)")]
    if column not in names:
        database.execute(f'ALTER TABLE gpkg_spatial_ref_sys ADD COLUMN "{column}" TEXT')
    database.execute(
        "INSERT INTO gpkg_spatial_ref_sys"
        " (srs_name, srs_id, organization, organization_coordsys_id, definition)"
        f" VALUES ('own', {number}, 'own', {number}, 'undefined')"
    )
    database.execute(f'UPDATE gpkg_spatial_ref_sys SET "{column}" = ? WHERE srs_id = {number}', (definition,))
    if number > 0:
        database.execute(f"UPDATE gpkg_contents SET srs_id = {number}")
        database.execute(f"UPDATE gpkg_geometry_columns SET srs_id = {number}")
    database.commit()
    database.close()
    return path.read_bytes()


def grid_wkt(grid: Path | str) -> str:
    """WKT of GDAL whose datum has a grid file."""
    text = CRS.from_epsg(4326).to_wkt(version="WKT1_GDAL")
    return text.replace(',AUTHORITY["EPSG","6326"]', f',EXTENSION["PROJ4_GRIDS","{grid}"]')


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("column", ["definition", "definition_12_063"])
def test_a_geopackage_is_refused_before_a_grid_file_is_opened(
    geopackage: Path, tmp_path: Path, column: str
) -> None:
    grid = tmp_path / "grid.gsb"
    os.mkfifo(grid)
    define(geopackage, grid_wkt(grid), column)
    command = ["--workspace", str(tmp_path / "w"), "regions", "import", str(geopackage), "--name", "x"]
    # Opening a named pipe waits until something is written to it.
    process = subprocess.run(
        [sys.executable, "-m", "nightlights", *command], capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 2
    assert "A coordinate reference system of areas.gpkg is not usable" in process.stderr


@pytest.mark.parametrize("column", ["definition", "definition_12_063", "Definition_2"])
@pytest.mark.parametrize(
    "definition",
    [
        grid_wkt("/etc/hosts"),
        grid_wkt("/etc/hosts").encode(),
        CRS.from_epsg(3857).to_wkt(version="WKT1_GDAL").replace("@null", "/etc/hosts"),
        'BOUNDCRS[SOURCECRS[x],TARGETCRS[x],ABRIDGEDTRANSFORMATION["",METHOD["NTv2",ID["EPSG",9615]],'
        'PARAMETERFILE["Latitude and longitude difference file","/etc/hosts"]]]',
        "+proj=longlat +nadgrids=/etc/hosts +type=crs",
        "/etc/hosts",
        "http://127.0.0.1:9/a.prj",
        '{"type": "GeographicCRS"}',
        CRS.from_epsg(4326).to_wkt() + " " * 30_000 + "x",
    ],
)
def test_a_geopackage_that_defines_another_kind_of_reference_system_is_not_opened(
    geopackage: Path, monkeypatch: pytest.MonkeyPatch, column: str, definition: str | bytes
) -> None:
    content = define(geopackage, definition, column)
    monkeypatch.setattr(pyogrio, "list_layers", lambda path: pytest.fail(f"GDAL opens {path}"))
    assert "A coordinate reference system of areas.gpkg is not usable" in error_of("areas.gpkg", content)


def test_a_geopackage_defines_its_reference_systems_in_a_table(geopackage: Path) -> None:
    content = change(
        geopackage,
        "ALTER TABLE gpkg_spatial_ref_sys RENAME TO systems",
        "CREATE VIEW gpkg_spatial_ref_sys AS SELECT * FROM systems",
    )
    assert "areas.gpkg is not a GeoPackage" in error_of("areas.gpkg", content)


@pytest.mark.parametrize(
    "definition",
    [
        "Undefined",
        "",
        'LOCAL_CS["Undefined SRS",LOCAL_DATUM["unknown",32767],UNIT["unknown",0]]',
        'ENGCRS["Undefined SRS",EDATUM[""],CS[Cartesian,2],AXIS["x",unspecified],AXIS["y",unspecified]]',
        'VERT_CS["height",VERT_DATUM["sea level",2005],UNIT["metre",1]]',
        "EPSG:32735",
    ],
)
def test_unused_definitions_of_other_kinds_are_no_hindrance(geopackage: Path, definition: str) -> None:
    content = define(geopackage, definition, number=-5)
    assert [region.name for region in upload("areas.gpkg", content).regions] == ["north"]


def test_another_database_is_not_a_geopackage(tmp_path: Path) -> None:
    path = tmp_path / "areas.sqlite"
    content = change(path, f"CREATE TABLE areas (name TEXT, WKT TEXT DEFAULT '{AREA.wkt}')")
    assert "areas.gpkg is not a GeoPackage" in error_of("areas.gpkg", content)


def test_a_geopackage_with_an_unfinished_log_is_read_with_it(geopackage: Path) -> None:
    database = sqlite3.connect(geopackage)
    for function in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        database.create_function(function, 1, lambda _: 1)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("UPDATE areas SET name = 'changed'")
    database.commit()
    assert [region.name for region in import_regions(geopackage, Settings()).regions] == ["changed"]
    database.close()


@pytest.mark.parametrize(
    "text", ["+proj=longlat +datum=WGS84 +nadgrids=/etc/hosts +type=crs", "WGS", "{}", ""]
)
def test_a_geojson_with_another_kind_of_reference_system_is_refused(text: str | None) -> None:
    assert UNKNOWN.format("a.json") in error_of("a.json", geojson(text))


def test_a_geojson_names_no_file_and_no_address_as_reference_system(
    tmp_path: Path, listener: Listener
) -> None:
    path = tmp_path / "utm.prj"
    path.write_text(CRS.from_epsg(32735).to_wkt())
    for text in (str(path), listener.url, f"/vsicurl/{listener.url}", path.read_text()):
        assert UNKNOWN.format("a.json") in error_of("a.json", geojson(text))


WKT = CRS.from_epsg(4326).to_wkt(version="WKT1_ESRI")


@pytest.mark.parametrize(
    "projection",
    [
        b"/etc/hosts",
        b"EPSG:4326",
        b"+proj=longlat +datum=WGS84",
        WKT.encode().replace(b"Greenwich", b"Greenwi\xb0h"),
        WKT.encode()[:-30],
        (WKT[:-1] + ',EXTENSION["PROJ4_GRIDS","/etc/hosts"]]').encode(),
        (WKT + " " * 30_000 + "x").encode(),
    ],
)
def test_a_projection_file_holds_wkt_that_names_no_file(
    parts: dict[str, bytes], projection: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    message = error_of("areas.zip", zipped({**parts, "prj": projection}))
    assert "coordinate reference system in the .prj of areas.zip is not usable. Export it in EPSG" in message
    assert capfd.readouterr().err == ""


def test_a_reference_system_without_a_transformation_is_one_sentence(parts: dict[str, bytes]) -> None:
    parts["prj"] = parts["prj"].replace(b"6378137.0", b"66378137.0")
    message = error_of("areas.zip", zipped(parts))
    assert "areas.zip cannot be transformed from its coordinate reference system" in message


def test_a_ring_that_is_not_closed_is_one_sentence(parts: dict[str, bytes]) -> None:
    content = parts["shp"]
    parts["shp"] = content[:-16] + struct.pack("<2d", 31, -1)
    assert "Feature 1 of areas.zip has no readable geometry" in error_of("areas.zip", zipped(parts))


def test_a_damaged_stream_is_one_sentence(parts: dict[str, bytes]) -> None:
    content = bytearray(zipped(parts, zipfile.ZIP_DEFLATED))
    start = content.index(b"areas.") + len("areas.shp")
    content[start : start + 8] = b"\xff" * 8
    assert "broken or protected zip" in error_of("areas.zip", bytes(content))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_one_sentence(parts: dict[str, bytes], compression: int) -> None:
    assert "broken or protected zip" in error_of("areas.zip", zipped(parts, compression))


@pytest.mark.parametrize("encoding", [b"zlib_codec", b"no such encoding", b"\xff\xfe"])
def test_an_unknown_encoding_raises_no_traceback(parts: dict[str, bytes], encoding: bytes) -> None:
    try:
        upload("areas.zip", zipped({**parts, "cpg": encoding}))
    except RegionError as error:
        assert "broken and cannot be read" in str(error)


def test_an_integer_too_large_for_a_coordinate_is_one_sentence() -> None:
    content = '{"type": "Polygon", "coordinates": [[[1%s, 0], [1, 0], [1, 1], [0, 0]]]}' % ("0" * 400)
    assert "Feature 1 of a.json has no readable geometry" in error_of("a.json", content.encode())


def test_damaged_bytes_raise_no_traceback(parts: dict[str, bytes], geopackage: Path) -> None:
    random = np.random.default_rng(1)
    database = geopackage.read_bytes()
    for _ in range(60):
        suffix = str(random.choice(sorted(parts)))
        damaged, page = bytearray(parts[suffix]), bytearray(database)
        for content in (damaged, page):
            for position in random.integers(0, len(content), 3):
                content[position] = random.integers(256)
        for filename, content in (
            ("areas.zip", zipped({**parts, suffix: bytes(damaged)})),
            ("areas.gpkg", bytes(page)),
        ):
            try:
                upload(filename, content)
            except RegionError as error:
                assert "\n" not in str(error)


@pytest.mark.shared
@pytest.mark.skipif(not ATTACKS.exists(), reason="the hostile files are not beside the project")
@pytest.mark.parametrize(
    "name",
    [
        "exfil_passwd.zip",
        "vrt_file.zip",
        "vrt_http.zip",
        *(f"zipshp-{number}.zip" for number in range(4)),
        *(f"geojson-{number}.geojson" for number in range(2)),
    ],
)
def test_the_hostile_files_end_in_one_sentence(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["--workspace", str(tmp_path), "regions", "import", str(ATTACKS / name), "--name", "x"]
    assert main(command) == 2
    output, error = capfd.readouterr()
    assert output == ""
    assert error.count("\n") == 1
