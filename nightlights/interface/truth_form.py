"""The part of an export's form that takes a fine truth of one's own."""

from typing import get_args

import streamlit as st

from nightlights.fine_truth import CALIBRATIONS, MAXIMUM_SHIFT_M, Calibration, TruthRequest


def ask_for_truth() -> TruthRequest | None:
    """Draw the fields; None while no file is named."""
    with st.expander("Fine truth, to score against"):
        text = st.text_area(
            "Night-time GeoTIFFs finer than VIIRS",
            key="export_truth",
            height=68,
            placeholder="sdgsat/*.tif",
            persist_state="session",
            help="SDGSAT-1, Luojia-1, photographs from the ISS or airborne: one band, any unit, coordinate "
            "system and resolution. They are aligned with VIIRS by phase correlation and calibrated to it; "
            "predictions are scored against them at the coarser of the two scales.",
        )
        files = [line.strip() for line in text.splitlines() if line.strip()]
        calibration = st.selectbox(
            "Calibration",
            get_args(Calibration),
            format_func=lambda each: CALIBRATIONS[each],
            key="export_truth_calibration",
            persist_state="session",
            help="VIIRS is the reference, seen through its footprint.",
        )
        shift = st.number_input(
            "Largest shift (m)",
            0.0,
            5000.0,
            MAXIMUM_SHIFT_M,
            100.0,
            key="export_truth_shift",
            persist_state="session",
            help="How far the rasters may lie off. 0 leaves them where they are.",
        )
        resolution = st.number_input(
            "Resolution (m)",
            1.0,
            1000.0,
            None,
            key="export_truth_resolution",
            placeholder="as its pixels",
            persist_state="session",
            help="Where the image is blurred beyond its pixels, as photographs are.",
        )
        nodata = st.number_input(
            "Value that means missing",
            value=None,
            key="export_truth_nodata",
            placeholder="as tagged",
            persist_state="session",
        )
    if not files:
        return None
    return TruthRequest(
        files=files,
        nodata=nodata,
        calibration=calibration or "line",
        maximum_shift_m=shift,
        resolution_m=resolution,
    )
