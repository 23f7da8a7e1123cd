"""Coordinate reference systems of untrusted files, by code or by WKT.

GDAL takes more than that as the text of a reference system: the path of a file, an address, a PROJ string
with grid files. A file that somebody uploads must not make this machine read another file or send a request,
so that only the two kinds of text that stand for themselves are passed on.
"""

import re
from typing import TYPE_CHECKING

from rasterio.errors import CRSError

from nightlights.grid import CRS as GRID_CRS

if TYPE_CHECKING:
    from rasterio.crs import CRS

MAXIMUM_WKT_CHARACTERS = 20_000
"""Longest WKT that is parsed; compound systems with their datum ensembles have about 5,000."""

_CODES = (
    re.compile(r"(?P<authority>EPSG|ESRI):(?P<code>\d{1,7})", re.IGNORECASE),
    re.compile(
        r"urn:(?:x-)?ogc:def:crs:(?P<authority>EPSG|ESRI):[\d.]{0,10}:(?P<code>\d{1,7})", re.IGNORECASE
    ),
    re.compile(
        r"https?://www\.opengis\.net/def/crs/(?P<authority>EPSG|ESRI)/[\d.]{1,10}/(?P<code>\d{1,7})",
        re.IGNORECASE,
    ),
    re.compile(
        r"https?://www\.opengis\.net/gml/srs/(?P<authority>epsg)\.xml#(?P<code>\d{1,7})", re.IGNORECASE
    ),
)
# Longitude first, which is how every system is read here; CRS84h has heights, which are dropped.
_OGC = re.compile(
    r"(?:OGC:|urn:(?:x-)?ogc:def:crs:OGC:[\d.]{0,10}:|https?://www\.opengis\.net/def/crs/OGC/[\d.]{1,10}/)?"
    r"(?P<name>CRS84h?|CRS83)",
    re.IGNORECASE,
)
_WGS84 = re.compile(r"WGS ?84", re.IGNORECASE)
_WKT = re.compile(
    r"(?:GEOGCS|PROJCS|COMPD_CS|GEOGCRS|GEODCRS|GEODETICCRS|GEOGRAPHICCRS|PROJCRS|PROJECTEDCRS|COMPOUNDCRS|BOUNDCRS)"
    r"\s*[\[(]",
    re.IGNORECASE,
)
# Any system, also a local or a vertical one, which a GeoPackage may define beside those of its layers.
_ANY_WKT = re.compile(r"[A-Z]+(?:_[A-Z]+)?\s*[\[(]", re.IGNORECASE)
_UNDEFINED = re.compile(r"|undefined|unknown", re.IGNORECASE)
# The parts of WKT that hold PROJ strings or the names of grid files.
_FILES = re.compile(r"EXTENSION|PARAMETERFILE|PROJ-based|\+proj|grids", re.IGNORECASE)
# Web Mercator in the WKT of GDAL 1 to 3 carries a PROJ string; its only grid, @null, is not a file.
_WEB_MERCATOR = re.compile(
    r'EXTENSION\[\s*"PROJ4"\s*,\s*"'
    r"(?:\+(?:proj=merc|[ab]=6378137(?:\.0+)?|(?:lat_ts|lon_0|x_0|y_0)=0(?:\.0+)?|k=1(?:\.0+)?|units=m"
    r"|nadgrids=@null|wktext|no_defs|type=crs) *)+"
    r'"\s*\]',
    re.IGNORECASE,
)


def reference_system_of_code(text: str) -> "CRS":
    """The system with an EPSG or ESRI code, as code, OGC URN or OGC address, or CRS84, CRS83 or WGS 84.

    Examples
    --------
    >>> reference_system_of_code("urn:ogc:def:crs:EPSG::32735").to_string()
    'EPSG:32735'
    >>> reference_system_of_code("urn:ogc:def:crs:OGC:1.3:CRS84").to_string()
    'EPSG:4326'

    Raises
    ------
    CRSError
        When ``text`` is anything else, such as a path, an address or a PROJ string, or the code is unknown.
    """
    import rasterio
    from rasterio.crs import CRS

    text = text.strip()
    match = _OGC.fullmatch(text)
    if match and match["name"].upper() == "CRS83":
        return CRS.from_epsg(4269)
    if match or _WGS84.fullmatch(text):
        return CRS.from_string(GRID_CRS)
    for pattern in _CODES:
        if match := pattern.fullmatch(text):
            # Without an environment GDAL prints its errors.
            with rasterio.Env():
                return CRS.from_authority(match["authority"].upper(), int(match["code"]))
    raise CRSError("not a code of a coordinate reference system")


def _names_files(wkt: str) -> bool:
    return _FILES.search(_WEB_MERCATOR.sub("", wkt)) is not None


def reference_system_of_wkt(text: str) -> "CRS":
    """The system that WKT describes, OGC's or Esri's; WKT that names files is refused.

    Raises
    ------
    CRSError
        When ``text`` is not WKT, is too long or invalid, or names a grid file.
    """
    import rasterio
    from rasterio.crs import CRS

    text = text.strip()
    if len(text) > MAXIMUM_WKT_CHARACTERS or not _WKT.match(text) or _names_files(text):
        raise CRSError("not the WKT of a coordinate reference system")
    with rasterio.Env():
        system = CRS.from_wkt(text, morph_from_esri_dialect=True)
        code = system.to_epsg(confidence_threshold=90)
        return system if code is None else CRS.from_epsg(code)


def is_safe_definition(text: str) -> bool:
    """Whether GDAL may read the definition of a system in a GeoPackage: it names no file and no address.

    Examples
    --------
    >>> is_safe_definition("undefined"), is_safe_definition("EPSG:4326"), is_safe_definition("/etc/hosts")
    (True, True, False)
    """
    text = text.strip()
    if _UNDEFINED.fullmatch(text) or _CODES[0].fullmatch(text):
        return True
    return len(text) <= MAXIMUM_WKT_CHARACTERS and bool(_ANY_WKT.match(text)) and not _names_files(text)


def reference_system(text: str) -> "CRS":
    """The system of a code or of WKT; see the two functions above.

    Raises
    ------
    CRSError
        When ``text`` is neither.
    """
    return reference_system_of_wkt(text) if _WKT.match(text.strip()) else reference_system_of_code(text)
