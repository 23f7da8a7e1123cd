"""What an Earth Engine export asks for is checked when it is asked."""

import pytest
from pydantic import ValidationError

from nightlights.composites import DaytimeComposite, EarthEngineRequest, NighttimeComposite
from nightlights.manifests import ExportRequest


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (DaytimeComposite, {"start": "2022-02-01", "end": "2022-01-31"}),
        (DaytimeComposite, {"end": "9999-12-31"}),
        (NighttimeComposite, {"end": "9999-12-31"}),
        (DaytimeComposite, {"sensor": "Landsat 7"}),
        (DaytimeComposite, {"percentile": 101}),
        (DaytimeComposite, {"masks": ("clouds",)}),
        (EarthEngineRequest, {"patch_size": 250}),
        (EarthEngineRequest, {"bucket": "lights"}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: type, values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind(**values)


def test_the_settings_of_earth_engine_go_with_earth_engine_alone() -> None:
    names = {"dataset": "d", "regions": "r"}
    request = ExportRequest(**names, source="earthengine", earthengine=EarthEngineRequest())
    assert ExportRequest.model_validate_json(request.model_dump_json()) == request
    with pytest.raises(ValidationError, match="go with the source earthengine"):
        ExportRequest(**names, source="earthengine")
    with pytest.raises(ValidationError, match="go with the source earthengine"):
        ExportRequest(**names, source="simulated", earthengine=EarthEngineRequest())
