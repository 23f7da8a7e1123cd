"""Coordinate reference systems by code or WKT; paths, addresses and PROJ strings are refused."""

from pathlib import Path

import numpy as np
import pytest
from rasterio import warp
from rasterio.crs import CRS
from rasterio.errors import CRSError

from nightlights.reference_systems import (
    MAXIMUM_WKT_CHARACTERS,
    reference_system,
    reference_system_of_code,
    reference_system_of_wkt,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EPSG:32735", "EPSG:32735"),
        ("epsg:4326", "EPSG:4326"),
        ("ESRI:102022", "ESRI:102022"),
        ("urn:ogc:def:crs:EPSG::32735", "EPSG:32735"),
        ("urn:ogc:def:crs:EPSG:6.9:32735", "EPSG:32735"),
        ("http://www.opengis.net/def/crs/EPSG/0/32735", "EPSG:32735"),
        ("http://www.opengis.net/gml/srs/epsg.xml#32735", "EPSG:32735"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326"),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "EPSG:4326"),
        ("OGC:CRS84", "EPSG:4326"),
        ("CRS84", "EPSG:4326"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84h", "EPSG:4326"),
        ("urn:ogc:def:crs:OGC:1.3:CRS83", "EPSG:4269"),
        ("urn:ogc:def:crs:OGC::CRS83", "EPSG:4269"),
        ("http://www.opengis.net/def/crs/OGC/0/CRS84h", "EPSG:4326"),
        ("WGS84", "EPSG:4326"),
        ("WGS 84", "EPSG:4326"),
        ("wgs84", "EPSG:4326"),
    ],
)
def test_codes_of_reference_systems(text: str, expected: str) -> None:
    assert reference_system_of_code(text).to_string() == expected
    assert reference_system(text).to_string() == expected


@pytest.mark.parametrize("text", ["EPSG:0", "EPSG:9999999", "EPSG:99999999999999999999", "ESRI:1"])
def test_an_unknown_code_is_refused_without_output(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CRSError):
        reference_system_of_code(text)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("code", ["EPSG:32735", "EPSG:3857", "EPSG:27700", "ESRI:102022"])
def test_wkt_of_esri_and_of_ogc_gives_the_same_system(code: str) -> None:
    system = reference_system_of_code(code)
    for version in ("WKT1_ESRI", "WKT1_GDAL", "WKT2_2019"):
        assert reference_system_of_wkt(system.to_wkt(version=version)) == system


WEB_MERCATOR = CRS.from_epsg(3857).to_wkt(version="WKT1_GDAL")
PROJ_STRING = WEB_MERCATOR.partition('EXTENSION["PROJ4","')[2].partition('"')[0]


@pytest.mark.parametrize(
    "text",
    [
        WEB_MERCATOR,
        WEB_MERCATOR.replace(',AUTHORITY["EPSG","3857"]', ""),
        WEB_MERCATOR.replace("lat_ts=0 +lon_0=0 +x_0=0", "lat_ts=0.0 +lon_0=0.0 +x_0=0.0").replace(
            "+wktext", "+wktext "
        ),
        CRS.from_epsg(900913).to_wkt(version="WKT1_GDAL"),
        CRS.from_string("ESRI:102100").to_wkt(version="WKT1_GDAL"),
    ],
)
def test_web_mercator_in_the_wkt_of_gdal(text: str) -> None:
    assert "+nadgrids=@null" in text
    # On the sphere of web Mercator, easting = R * longitude and northing = R * atanh(sin(latitude)).
    longitude, latitude = np.radians([29.2, -2.8])
    easting, northing = 6378137 * longitude, 6378137 * np.arctanh(np.sin(latitude))
    (x,), (y,) = warp.transform(reference_system_of_wkt(text), "EPSG:4326", [easting], [northing])
    assert (x, y) == pytest.approx((29.2, -2.8), abs=1e-9)


@pytest.mark.parametrize(
    "extension",
    [
        PROJ_STRING.replace("@null", "/etc/hosts"),
        PROJ_STRING.replace("@null", "@null,/etc/hosts"),
        f"{PROJ_STRING} +nadgrids=/etc/hosts",
        f"{PROJ_STRING} +geoidgrids=/etc/hosts",
        f"{PROJ_STRING} +init=/etc/hosts:x",
        "+proj=pipeline +step +proj=merc",
    ],
)
def test_web_mercator_with_another_grid_is_refused(extension: str) -> None:
    with pytest.raises(CRSError):
        reference_system_of_wkt(WEB_MERCATOR.replace(PROJ_STRING, extension))


def test_a_second_extension_beside_web_mercator_is_refused() -> None:
    with pytest.raises(CRSError):
        reference_system_of_wkt(
            WEB_MERCATOR.replace("EXTENSION", 'EXTENSION["PROJ4_GRIDS","/etc/hosts"],EXTENSION')
        )


@pytest.mark.parametrize(
    "part",
    [
        "Extension",
        "parameterfile",
        "PROJ-based operation method",
        "Proj-Based",
        "+proj=longlat",
        "+PROJ=longlat",
        "grids",
        "nadGrids=",
    ],
)
def test_each_part_that_may_name_a_file_is_refused_in_itself(part: str) -> None:
    # A name is harmless, so that GDAL would read the text: the refusal is that of the part.
    text = CRS.from_epsg(32735).to_wkt().replace("UTM zone 35S", part)
    assert CRS.from_wkt(text).is_projected
    with pytest.raises(CRSError, match="not the WKT"):
        reference_system_of_wkt(text)


def with_member(member: str) -> str:
    return CRS.from_epsg(4326).to_wkt()[:-1] + f",{member}]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WGS",
        "WGS 84 / UTM zone 35S",
        "CRS27",
        "IGNF:LAMB93",
        "+proj=longlat +datum=WGS84",
        "+init=epsg:4326",
        "http://127.0.0.1:9/a.prj",
        "http://www.opengis.net.example.org/def/crs/EPSG/0/4326",
        "/vsicurl/http://127.0.0.1:9/a.prj",
        "EPSG:4326\n/etc/hosts",
        CRS.from_epsg(4326).to_wkt()[:-40],
        with_member('EXTENSION["PROJ4","+proj=longlat +nadgrids=/etc/hosts"]'),
        with_member('extension["PROJ4_GRIDS","/etc/hosts"]'),
        with_member('PARAMETERFILE["Latitude and longitude difference file","/etc/hosts"]'),
        with_member(f'REMARK["{"x" * MAXIMUM_WKT_CHARACTERS}"]'),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(CRSError):
        reference_system(text)


def test_a_file_is_not_a_reference_system(tmp_path: Path) -> None:
    path = tmp_path / "utm.prj"
    path.write_text(CRS.from_epsg(32735).to_wkt())
    with pytest.raises(CRSError):
        reference_system(str(path))
