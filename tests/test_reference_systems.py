"""Coordinate reference systems by code or WKT; paths, addresses and PROJ strings are refused."""

from pathlib import Path

import pytest
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
    for version in ("WKT1_ESRI", "WKT2_2019"):
        assert reference_system_of_wkt(system.to_wkt(version=version)) == system


def with_member(member: str) -> str:
    return CRS.from_epsg(4326).to_wkt()[:-1] + f",{member}]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WGS84",
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
