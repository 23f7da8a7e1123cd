"""The intervals of a model that was calibrated nowhere."""

from datetime import UTC, datetime

from nightlights.bands import RadianceTransform
from nightlights.uncertainty.records import CalibratedRegion, Calibration, Weight, feature_names


def calibration_of(*regions: CalibratedRegion, **given: object) -> Calibration:
    """The intervals of one orientation that were learned in ``regions``; ``given`` changes what they say."""
    usual = {
        "created": datetime(2026, 1, 2, tzinfo=UTC),
        "run": "first",
        "datasets": ["cities"],
        "level": 0.9,
        "share": 0.9,
        "model_sha256": "0" * 64,
        "transform": RadianceTransform(scale=1.0),
        "orientations": 1,
        "intercept": 0,
        "weights": [Weight(feature=name, center=0, spread=1, weight=0) for name in feature_names(1)],
        "below": 1,
        "above": 1,
        "held_out": "regions",
        "regions": list(regions),
        "coverage": sum(region.coverage for region in regions) / len(regions),
        "simulated": True,
        "remark": "",
    }
    return Calibration.model_validate({**usual, **given})
