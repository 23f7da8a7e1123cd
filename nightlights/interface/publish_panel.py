"""Publishing a prediction to Cloud Storage and as an Earth Engine asset, and looking at it there."""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import streamlit as st
from pydantic import ValidationError

from nightlights.composites import NighttimeComposite
from nightlights.errors import NightlightsError
from nightlights.interface.background import answer
from nightlights.interface.compare_map import difference_limit
from nightlights.interface.connection import connected_or_prompt, is_set_up, is_test_server, page_deadline
from nightlights.interface.imagery_layer import LAYER_AGE_S, LAYER_VALID_S, ShownImagery
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.legends import difference_legend, radiance_legend
from nightlights.interface.map_parts import MapLayer
from nightlights.interface.navigation import page_link
from nightlights.interface.state import job_store, settings, show_error, workspace
from nightlights.manifests import PredictionRecord, PublicationRecord, PublishRequest
from nightlights.publishing import read_publication
from nightlights.settings import Settings

if TYPE_CHECKING:
    from nightlights.sources.earthengine.layers import TileLayer

Form = Literal["COG", "TFRecord"]
View = Literal["Asset", "VIIRS", "Difference"]

_FORMS: Final[dict[Form, str]] = {"COG": "GeoTIFF", "TFRecord": "TFRecord patches"}
_VIEWS: Final[tuple[View, ...]] = ("Asset", "VIIRS", "Difference")
_NATIVE_ZOOM: Final = 13


def publication_of(record: PredictionRecord) -> PublicationRecord | None:
    """Where ``record`` was published, or None while it never was or is not done."""
    with contextlib.suppress(NightlightsError):
        found = read_publication(workspace(), record.name)
        # Predicted again, it is another one.
        return found if found.finished and found.started >= record.created else None
    return None


def publish_panel(record: PredictionRecord) -> ShownImagery:
    """Publish ``record``, and choose what of it Earth Engine shall draw on the map."""
    published = publication_of(record)
    jobs = [job for job in job_store().list("publish") if job.target == record.name]
    for job in jobs_to_show(jobs):
        show_job(job)
    imagery = ShownImagery()
    if published is not None and published.asset:
        # Outside of the form, so that the map stays in view.
        imagery = _earthengine_layers(record, published.asset)
    with st.expander("Publish", icon=":material/publish:", key="publish-panel", on_change="rerun"):
        if published is not None:
            _tell(published)
        if any(job.active for job in jobs):
            st.caption("It is being published.")
        else:
            _form(record, published)
    return imagery


def _tell(published: PublicationRecord) -> None:
    count = len(published.files)
    st.markdown(f"Published as {_FORMS[published.form]}: {count} file{'s' * (count != 1)} in the bucket.")
    if published.asset:
        st.caption("Asset")
        st.code(published.asset, language=None, wrap_lines=True)
    if published.eecu_seconds is not None:
        st.caption(f"The ingestion used {published.eecu_seconds:,.1f} EECU s.")


def _form(record: PredictionRecord, published: PublicationRecord | None) -> None:
    wanted = settings()
    if not is_set_up(wanted) or wanted.bucket is None:
        st.caption("Publishing needs a Google Cloud project and a bucket.")
        page_link("home", "Set up Earth Engine")
        return
    form: Form = st.segmented_control(
        "Form",
        list(_FORMS),
        default="COG",
        required=True,
        format_func=_FORMS.__getitem__,
        key="publish_form",
        help="A Cloud Optimized GeoTIFF, or patches with a mixer.json as in the study.",
    )
    ingest = st.checkbox("Also as an Earth Engine asset", True, key="publish_ingest")
    asset = st.text_input(
        "Name of the asset", key="publish_asset", placeholder=record.name, disabled=not ingest
    )
    licence = st.text_input("Licence", "CC-BY-4.0", key="publish_licence")
    overwrite = st.checkbox(
        "Replace an asset of that name", key="publish_overwrite", help="Only where its content differs."
    )
    place = "the test server's bucket" if is_test_server(wanted) else "your bucket"
    simulated = " The asset says that it is simulated." if record.source.simulated and ingest else ""
    st.caption(
        f"To {place}, folder {wanted.bucket_folder}/predictions; it stays there until you delete it, at the "
        f"storage's price.{simulated} Published again, nothing is made twice."
    )
    if not st.button("Publish again" if published else "Publish", key="publish", width="stretch"):
        return
    try:
        request = PublishRequest(
            prediction=record.name,
            form=form,
            ingest=ingest,
            asset=asset.strip() or None,
            licence=licence.strip(),
            overwrite=overwrite,
        )
        job_store().submit("publish", request, f"Publish {record.name}")
        st.rerun()
    except ValidationError as error:
        st.error(f"**The {error.errors()[0]['loc'][0]} cannot be used: {error.errors()[0]['msg']}.**")
    except NightlightsError as error:
        show_error(error)


def _earthengine_layers(record: PredictionRecord, asset: str) -> ShownImagery:
    view: View | None = st.selectbox(
        "Drawn by Earth Engine",
        _VIEWS,
        index=None,
        placeholder="Nothing",
        key=f"earthengine-view-{record.name}",
        help="Over the layers above. The difference is pixel by pixel: asset minus VIIRS.",
    )
    if view is None or connected_or_prompt("see the asset") is None:
        return ShownImagery()
    wanted = settings()
    try:
        path = workspace().prediction_folder(record.name) / record.layers["difference"]
        limit = difference_limit(str(path), str(record.created))
        found = answer(
            ("published", asset, view, limit, record.created, wanted),
            lambda: _tile_layer(view, asset, night_of(record), limit, wanted),
            "Asking Earth Engine …",
            maximum_age_s=LAYER_AGE_S,
            valid_s=LAYER_VALID_S,
        )
    except NightlightsError as error:
        show_error(error)
        return ShownImagery()
    if found is None:
        return ShownImagery()
    title = f"{view} (Earth Engine)"
    bounds = record.window.window.bounds
    layer = MapLayer(title, found.url, bounds, max_zoom=_NATIVE_ZOOM, attribution=found.attribution)
    legend = radiance_legend("Radiance")
    if view == "Difference":
        legend = replace(difference_legend(limit), title="Asset minus VIIRS, by Earth Engine")
    return ShownImagery((layer,), (legend,))


def night_of(record: PredictionRecord) -> NighttimeComposite:
    """The VIIRS composite that the prediction was held against, or the usual one where that is not known."""
    request = record.source.parameters.get("request")
    with contextlib.suppress(ValidationError):
        if isinstance(request, dict) and "nighttime" in request:
            return NighttimeComposite.model_validate(request["nighttime"])
    return NighttimeComposite()


def _tile_layer(
    view: View, asset: str, night: NighttimeComposite, limit: float, wanted: Settings
) -> "TileLayer":
    from nightlights.sources.earthengine.layers import difference_layer, nighttime_layer, prediction_layer

    with page_deadline(wanted):
        if view == "Asset":
            return prediction_layer(asset, wanted, title="Asset")
        if view == "VIIRS":
            return nighttime_layer(night, wanted)
        return difference_layer(asset, night, wanted, title="Difference", limit=limit)
