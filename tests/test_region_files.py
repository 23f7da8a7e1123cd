"""Regions in files: what is saved comes back, and every broken upload gets a clear word."""

import codecs
import contextlib
import io
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio import warp
from rasterio.crs import CRS
from shapely import Point, Polygon, box

from nightlights import region_readers
from nightlights.errors import RegionError, WorkspaceError
from nightlights.presets import PRESETS
from nightlights.region_files import (
    delete_collection,
    import_regions,
    import_upload,
    load_collection,
    save_collection,
)
from nightlights.regions import Region, RegionCollection
from nightlights.settings import Settings
from nightlights.workspace import Workspace

SETTINGS = Settings()
NORTH, SOUTH = box(29.2, -2.8, 29.6, -2.4), box(29.5, -4.2, 29.9, -3.8)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(geometry)}


def collection(*features: dict[str, Any], **members: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features, **members}).encode()


def to_utm(geometry: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(
        geometry,
        lambda points: np.column_stack(warp.transform("EPSG:4326", "EPSG:32735", points[:, 0], points[:, 1])),
    )


def write_vector(path: Path, geometries: list[Any], *, crs: str | None, driver: str, **columns: Any) -> None:
    pyogrio.raw.write(
        path,
        np.array([None if g is None else shapely.to_wkb(g) for g in geometries], dtype=object),
        [np.array(values, dtype=object) for values in columns.values()],
        list(columns),
        crs=crs,
        driver=driver,
        geometry_type="Unknown" if driver == "GPKG" else "Polygon",
    )


def zipped_shapefile(folder: Path, *, crs: str | None = "EPSG:32735", prefix: str = "") -> bytes:
    folder.mkdir(exist_ok=True)
    geometries = [to_utm(NORTH), to_utm(SOUTH)] if crs == "EPSG:32735" else [NORTH, SOUTH]
    path = folder / "areas.shp"
    write_vector(
        path, geometries, crs=crs, driver="ESRI Shapefile", NAME=["north", "south"], Role=["train", "Test"]
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part in folder.iterdir():
            archive.write(part, prefix + part.name)
    return buffer.getvalue()


def error_of(filename: str, content: bytes) -> str:
    with pytest.raises(RegionError) as caught:
        import_upload(filename, content, SETTINGS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_saved_collection_comes_back_equal(workspace: Workspace, name: str) -> None:
    save_collection(workspace, PRESETS[name])
    assert load_collection(workspace, name) == PRESETS[name]
    assert workspace.region_names() == [name]


@given(st.floats(-179, 178), st.floats(-64, 73), st.floats(1e-6, 1))
def test_coordinates_survive_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, west: float, south: float, side: float
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("w"))
    region = Region("a", "predict", box(west, south, west + side, south + side))
    save_collection(workspace, RegionCollection("c", (region,)))
    assert load_collection(workspace, "c").regions[0].geometry.equals_exact(region.geometry, 0)


def test_unfinished_drawings_can_be_saved_and_an_empty_collection_too(workspace: Workspace) -> None:
    bow_tie = Region("bow", "train", Polygon([(29, -3), (29.4, -2.6), (29.4, -3), (29, -2.6)]))
    save_collection(workspace, RegionCollection("drawn", (bow_tie,)))
    assert load_collection(workspace, "drawn").regions == (bow_tie,)
    save_collection(workspace, RegionCollection("drawn"))
    assert len(load_collection(workspace, "drawn")) == 0


def test_a_region_without_finite_coordinates_is_not_saved(workspace: Workspace) -> None:
    region = Region("a", "train", Polygon([(0, 0), (1, 0), (float("nan"), 1)]))
    with pytest.raises(RegionError, match="not finite"):
        save_collection(workspace, RegionCollection("c", (region,)))
    assert workspace.region_names() == []


def test_a_missing_collection_lists_those_there_are(workspace: Workspace) -> None:
    save_collection(workspace, PRESETS["africa"])
    with pytest.raises(RegionError, match=r"no regions named burundi. The workspace has: africa"):
        load_collection(workspace, "burundi")
    with pytest.raises(RegionError, match="no regions named burundi"):
        delete_collection(workspace, "burundi")
    with pytest.raises(WorkspaceError, match="cannot be a name of regions"):
        load_collection(workspace, "../secret")
    delete_collection(workspace, "africa")
    assert workspace.region_names() == []


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"type": "FeatureCollection", "features": 3}',
        b'{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"type": "Polygon"}}]}',
        collection(feature(NORTH, name="a", role="boss")),
        collection(feature(NORTH, name="a b", role="train")),
        collection(feature(NORTH)),
        collection(feature(Point(0, 0), name="a", role="train")),
    ],
)
def test_a_broken_file_of_the_workspace_is_a_clear_error(workspace: Workspace, content: bytes) -> None:
    workspace.regions_folder.mkdir()
    workspace.regions_file("c").write_bytes(content)
    with pytest.raises(RegionError):
        load_collection(workspace, "c")


def test_geojson_gives_names_and_roles_in_any_case() -> None:
    content = collection(feature(NORTH, Name="north", ROLE="Training"), feature(SOUTH, name="south"))
    imported = import_upload("areas.GeoJSON", content, SETTINGS, default_role="evaluate")
    assert [(region.name, region.role) for region in imported.regions] == [
        ("north", "train"),
        ("south", "evaluate"),
    ]
    assert imported.problems == ()
    assert imported.regions[0].geometry.equals(NORTH)


@pytest.mark.parametrize("content", [feature(NORTH), shapely.geometry.mapping(NORTH)])
def test_a_feature_or_a_bare_geometry_is_enough(content: dict[str, Any]) -> None:
    imported = import_upload("a.json", json.dumps(content).encode(), SETTINGS)
    assert [(region.name, region.role) for region in imported.regions] == [("region-1", "train")]


def test_a_byte_order_mark_and_null_properties_are_no_hindrance() -> None:
    member = {"type": "Feature", "properties": None, "geometry": shapely.geometry.mapping(NORTH)}
    assert import_upload("a.json", b"\xef\xbb\xbf" + collection(member), SETTINGS).regions


def test_names_become_file_names_and_it_is_said() -> None:
    imported = import_upload("a.json", collection(feature(NORTH, name="São Paulo")), SETTINGS)
    assert imported.regions[0].name == "sao-paulo"
    assert [problem.severity for problem in imported.problems] == ["repaired"]
    assert "'São Paulo' is named sao-paulo" in imported.problems[0].message


def test_an_older_geojson_with_its_own_reference_system_is_reprojected() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32735"}}
    imported = import_upload("a.json", collection(feature(to_utm(SOUTH), name="s"), crs=crs), SETTINGS)
    assert imported.regions[0].geometry.equals_exact(SOUTH, 1e-7, normalize=True)
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    imported = import_upload("a.json", collection(feature(SOUTH, name="s"), crs=crs), SETTINGS)
    assert imported.regions[0].geometry.equals(SOUTH)


@pytest.mark.parametrize("name", ["WGS84", "WGS 84", "urn:ogc:def:crs:OGC:1.3:CRS84h"])
def test_a_geojson_in_wgs_84_by_another_name_is_read_as_it_is(name: str) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    imported = import_upload("a.json", collection(feature(SOUTH, name="s"), crs=crs), SETTINGS)
    assert imported.regions[0].geometry.equals(SOUTH)


def test_a_geojson_in_nad_83_keeps_longitude_first() -> None:
    area = box(-90.5, 29.8, -90.1, 30.2)
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS83"}}
    imported = import_upload("a.json", collection(feature(area, name="a"), crs=crs), SETTINGS)
    # NAD83 and WGS 84 differ by less than 2 m.
    assert imported.regions[0].geometry.equals_exact(area, 2e-5, normalize=True)


@pytest.mark.parametrize("code", [32735, "32735"])
def test_a_geojson_of_2008_names_its_reference_system_by_number(code: object) -> None:
    crs = {"type": "EPSG", "properties": {"code": code}}
    imported = import_upload("a.json", collection(feature(to_utm(SOUTH), name="s"), crs=crs), SETTINGS)
    assert imported.regions[0].geometry.equals_exact(SOUTH, 1e-7, normalize=True)


@pytest.mark.parametrize("code", [True, None, [32735], "/etc/hosts", 10**30, -1])
def test_another_number_is_not_a_reference_system(code: object) -> None:
    crs = {"type": "EPSG", "properties": {"code": code}}
    assert "is unknown" in error_of("a.json", collection(feature(SOUTH, name="s"), crs=crs))


def test_shapes_that_are_no_polygons_are_left_out_and_it_is_said() -> None:
    content = collection(feature(Point(29, -3)), feature(NORTH, name="north"))
    imported = import_upload("a.json", content, SETTINGS)
    assert [region.name for region in imported.regions] == ["north"]
    assert "Feature 1 of a.json is a Point" in imported.problems[0].message


def test_heights_holes_and_mixed_collections_are_understood() -> None:
    ring = [(29.2, -2.8, 800), (29.6, -2.8, 800), (29.6, -2.4, 800), (29.2, -2.4, 800)]
    hole = [(29.3, -2.7, 800), (29.4, -2.7, 800), (29.4, -2.6, 800)]
    mixed = shapely.GeometryCollection([Polygon(ring, [hole]), Point(29, -3)])
    imported = import_upload("a.json", collection(feature(mixed, name="m")), SETTINGS)
    (region,) = imported.regions
    assert not region.geometry.has_z
    assert region.geometry.area == pytest.approx(0.16 - 0.005)
    assert [problem.message for problem in imported.problems] == ["Only the polygons of region m were kept."]


def test_problems_of_regions_are_listed_not_raised() -> None:
    content = collection(
        feature(Polygon([(29, -3), (29.4, -2.6), (29.4, -3), (29, -2.6)]), name="bow"),
        feature(box(40, 0, 40.01, 0.01), name="tiny"),
    )
    imported = import_upload("a.json", content, SETTINGS)
    assert len(imported.regions) == 2
    assert imported.regions[0].geometry.is_valid
    assert [(problem.region, problem.severity) for problem in imported.problems] == [
        ("bow", "repaired"),
        ("tiny", "error"),
    ]


def test_a_geopackage_in_metres_with_several_layers(tmp_path: Path) -> None:
    path = tmp_path / "areas.gpkg"
    write_vector(path, [to_utm(NORTH)], crs="EPSG:32735", driver="GPKG", Name=["north"], role=["train"])
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(SOUTH)], dtype=object),
        [np.array(["south"], dtype=object), np.array([None], dtype=object)],
        ["name", "role"],
        layer="second",
        crs="EPSG:4326",
        driver="GPKG",
        geometry_type="Polygon",
        append=True,
    )
    imported = import_regions(path, SETTINGS, default_role="evaluate")
    assert [(region.name, region.role) for region in imported.regions] == [
        ("north", "train"),
        ("south", "evaluate"),
    ]
    assert imported.regions[0].geometry.equals_exact(NORTH, 1e-7, normalize=True)
    assert imported.regions[1].geometry.equals(SOUTH)


def test_a_geopackage_in_web_mercator_as_gdal_defines_it(tmp_path: Path) -> None:
    path = tmp_path / "areas.gpkg"
    projected = shapely.transform(
        NORTH,
        lambda points: np.column_stack(warp.transform("EPSG:4326", "EPSG:3857", points[:, 0], points[:, 1])),
    )
    write_vector(path, [projected], crs="EPSG:3857", driver="GPKG", name=["north"])
    with contextlib.closing(sqlite3.connect(path)) as database:
        query = "SELECT definition FROM gpkg_spatial_ref_sys WHERE srs_id = 3857"
        assert "+nadgrids=@null" in database.execute(query).fetchone()[0]
        # Without the code, GDAL gives the definition itself.
        database.execute("UPDATE gpkg_spatial_ref_sys SET organization = 'own' WHERE srs_id = 3857")
        database.commit()
    (region,) = import_regions(path, SETTINGS).regions
    assert region.geometry.equals_exact(NORTH, 1e-7, normalize=True)


@pytest.mark.parametrize("prefix", ["", "inner/folder/", "../../escape/", "/absolute/"])
def test_a_zipped_shapefile_wherever_it_lies_in_the_archive(tmp_path: Path, prefix: str) -> None:
    imported = import_upload("areas.zip", zipped_shapefile(tmp_path / "s", prefix=prefix), SETTINGS)
    assert [(region.name, region.role) for region in imported.regions] == [
        ("north", "train"),
        ("south", "evaluate"),
    ]
    assert imported.regions[1].geometry.equals_exact(SOUTH, 1e-7, normalize=True)
    assert not (tmp_path.parent / "escape").exists()


def test_a_shapefile_beside_its_parts_can_be_imported_by_path(tmp_path: Path) -> None:
    zipped_shapefile(tmp_path)
    assert len(import_regions(tmp_path / "areas.shp", SETTINGS).regions) == 2


def test_a_shapefile_without_reference_system_is_refused(tmp_path: Path) -> None:
    message = error_of("areas.zip", zipped_shapefile(tmp_path / "s", crs=None))
    assert "coordinate reference system of areas.zip is unknown" in message
    assert "Add the .prj file as WKT, or export it in EPSG:4326" in message


def test_the_remedy_of_a_prj_that_is_not_usable_is_another_export(tmp_path: Path) -> None:
    zipped_shapefile(tmp_path)
    (tmp_path / "areas.prj").write_text("EPSG:32735")
    with pytest.raises(RegionError) as caught:
        import_regions(tmp_path / "areas.shp", SETTINGS)
    assert str(caught.value) == (
        "The coordinate reference system in the .prj of areas.shp is not usable. Export it in EPSG:4326."
    )


def test_the_remedy_of_other_formats_is_a_code(tmp_path: Path) -> None:
    expected = "is unknown. Name it by a code such as EPSG:4326, or export it in EPSG:4326."
    crs = {"type": "name", "properties": {"name": "Arc 1960"}}
    assert expected in error_of("a.json", collection(feature(NORTH), crs=crs))
    path = tmp_path / "areas.gpkg"
    write_vector(path, [NORTH], crs=None, driver="GPKG", name=["north"])
    assert expected in error_of("a.gpkg", path.read_bytes())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_prj_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    zipped_shapefile(tmp_path)
    path = tmp_path / "areas.prj"
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    path.write_bytes(mark + path.read_text().encode(encoding))
    first = import_regions(tmp_path / "areas.shp", SETTINGS).regions[0]
    assert first.geometry.equals_exact(NORTH, 1e-7, normalize=True)


def test_a_prj_in_web_mercator_as_gdal_writes_it_is_read(tmp_path: Path) -> None:
    zipped_shapefile(tmp_path, crs="EPSG:3857")
    path = tmp_path / "areas.prj"
    path.write_text(CRS.from_epsg(3857).to_wkt(version="WKT1_GDAL"))
    assert "+nadgrids=@null" in path.read_text()
    first = import_regions(tmp_path / "areas.shp", SETTINGS).regions[0]
    # Coordinates of a few metres lie at the origin; 1 degree is about 111,320 m there.
    assert first.geometry.centroid.x == pytest.approx(29.4 / 111_319.49, rel=1e-6)


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = zipped_shapefile(tmp_path / "s")
    monkeypatch.setattr(region_readers, "MAXIMUM_FILE_BYTES", 300)
    assert "unpacks to more than" in error_of("areas.zip", content)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightlights.region_files.MAXIMUM_FILE_BYTES", 100)
    assert "the limit is 0 MB" in error_of("a.json", collection(feature(NORTH)))


def test_too_many_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightlights.region_files.MAXIMUM_FEATURES", 2)
    content = collection(*[feature(NORTH, name=f"r{number}") for number in range(3)])
    assert "holds 3 features; the limit is 2" in error_of("a.json", content)


def two_shapefiles() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.shp", b"")
        archive.writestr("b.shp", b"")
    return buffer.getvalue()


def broken_shapefile() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.shp", b"nonsense")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        ("a.json", b"", "a.json is empty"),
        ("a.kml", b"<kml/>", "not of a kind that can be read"),
        ("a", b"{}", "not of a kind that can be read"),
        ("a.shp", b"x", "Zip its .shp"),
        ("a.json", collection(feature(NORTH))[:-20], "not valid GeoJSON"),
        ("a.json", b"\xff\xfe\x00", "not valid GeoJSON"),
        ("a.json", b"[" * 100_000, "not valid GeoJSON"),
        ("a.json", b"3", "is not GeoJSON"),
        ("a.json", b"{}", "no readable geometry"),
        ("a.json", b'{"type": "FeatureCollection"}', "features are not a list"),
        ("a.json", collection(), "holds no polygon"),
        ("a.json", collection(feature(Point(0, 0))), "holds no polygon"),
        ("a.json", collection({"type": "Feature", "geometry": None}), "holds no polygon"),
        ("a.json", collection({"type": "Feature", "geometry": {"type": "Polygon"}}), "no readable geometry"),
        ("a.json", collection({"type": "Feature", "geometry": 3}), "no readable geometry"),
        ("a.json", collection({"type": "Feature", "geometry": None, "properties": [1]}), "not an object"),
        (
            "a.json",
            b'{"type": "Polygon", "coordinates": [[[NaN, 0], [1, 0], [1, 1], [NaN, 0]]]}',
            "NaN is not a coordinate",
        ),
        ("a.json", b'{"type": "Polygon", "coordinates": [[["x", 0], [1, 0], [1, 1]]]}', "readable geometry"),
        ("a.json", collection(feature(NORTH, role="boss")), "'boss' is not a role"),
        ("a.json", collection(feature(NORTH), crs={"type": "name"}), "reference system of a.json is unknown"),
        ("a.json", collection(feature(NORTH), crs={"properties": {"name": "x"}}), "is unknown"),
        ("a.gpkg", b"not a database", "is not a GeoPackage"),
        ("a.gpkg", b"SQLite format 3\0" + b"x" * 100, "broken and cannot be read"),
        ("a.zip", b"PK\x03\x04 cut", "broken or protected zip"),
        ("a.zip", two_shapefiles(), "holds 2 Shapefiles"),
        ("a.zip", broken_shapefile(), "is not a Shapefile"),
    ],
)
def test_a_bad_upload_is_one_clear_sentence(filename: str, content: bytes, expected: str) -> None:
    assert expected in error_of(filename, content)


def test_numbers_too_large_for_a_float_are_not_finite() -> None:
    content = b'{"type": "Polygon", "coordinates": [[[1e999, 0], [1, 0], [1, 1], [1e999, 0]]]}'
    imported = import_upload("a.json", content, SETTINGS)
    assert ["not finite" in problem.message for problem in imported.problems] == [True]


def test_a_path_that_is_missing_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match=r"areas.geojson cannot be read: No such file"):
        import_regions(tmp_path / "areas.geojson", SETTINGS)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(RegionError, match="cannot be read"):
        import_regions(tmp_path / "folder.json", SETTINGS)


@given(st.binary(max_size=200), st.sampled_from([".json", ".gpkg", ".zip"]))
def test_noise_never_ends_in_a_traceback(content: bytes, suffix: str) -> None:
    with pytest.raises(RegionError):
        import_upload("noise" + suffix, content, SETTINGS)


@pytest.mark.parametrize("suffix", ["gpkg", "zip", "geojson"])
def test_a_file_cut_anywhere_never_ends_in_a_traceback(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "areas.gpkg"
    write_vector(path, [NORTH], crs="EPSG:4326", driver="GPKG", name=["north"])
    content = {
        "gpkg": path.read_bytes(),
        "zip": zipped_shapefile(tmp_path / "s"),
        "geojson": collection(feature(NORTH)),
    }[suffix]
    for cut in np.linspace(1, len(content) - 1, 25).astype(int):
        try:
            import_upload(f"a.{suffix}", content[:cut], SETTINGS)
        except RegionError:
            continue
        assert suffix == "gpkg", "only a database may still hold the table that is read"
