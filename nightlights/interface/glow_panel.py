"""The glow of VIIRS on the Imagery page: estimated beside the page, recorded or removed by a click."""

import streamlit as st

from nightlights.datasets import Dataset
from nightlights.errors import NightlightsError
from nightlights.glow_records import GlowEstimate
from nightlights.interface.background import background, failure_of, is_done, wait_for
from nightlights.interface.state import flash, job_store, show_error, workspace
from nightlights.manifests import DatasetManifest
from nightlights.wording import EXACT_GLOW, glow_words

_MEANING = (
    "Besides the footprint of some 750 m, VIIRS spreads part of the light of a town over kilometres around "
    "it. Dark ground and water near bright places show how much. A recorded glow is used by training, by the "
    "scores and by sharpening, which then put less light on dark water."
)
_RUNS = "Runs that were trained before stay and predict, but cannot be resumed."


def glow_panel(manifest: DatasetManifest) -> None:
    """The glow of the dataset, where there is one, and the buttons that estimate, record and remove it."""
    st.markdown("#### Glow of VIIRS", help=_MEANING)
    name = manifest.name
    if manifest.glow_share:
        st.markdown(
            f"Recorded: **{100 * manifest.glow_share:.0f} %** of the light in a glow of "
            f"**{manifest.glow_fwhm_m / 1000:.1f} km** (full width at half maximum)."
            + (f" {EXACT_GLOW}" if manifest.glow_is_exact else "")
        )
        st.button(
            "Remove the glow",
            key=f"remove-glow-{name}",
            icon=":material/delete:",
            help=f"Training, scores and sharpening use no glow from now on. {_RUNS}",
            on_click=_record,
            args=(name, GlowEstimate()),
        )
    question = glow_question(manifest)
    future = background().peek(question)
    if future is not None and not is_done(future):
        st.caption("Estimating the glow from dark ground around bright places …")
        wait_for(future)
        return
    found = None
    if future is not None:
        failure = failure_of(future)
        if failure is not None:
            show_error(failure)
        else:
            found = future.result()
            st.markdown(glow_words(found))
    elif not manifest.glow_share:
        st.caption("None is recorded. Whether the dataset shows one is estimated within seconds to a minute.")
    with st.container(horizontal=True):
        if found is not None and found.supported and not _needs_no_record(manifest, found):
            st.button(
                "Record the glow",
                key=f"record-glow-{name}",
                icon=":material/save:",
                help=f"Writes the glow into the dataset. {_RUNS}",
                on_click=_record,
                args=(name, found),
            )
        st.button(
            "Estimate the glow",
            key=f"estimate-glow-{name}",
            icon=":material/blur_on:",
            on_click=_estimate,
            args=(question, name),
        )


def glow_question(manifest: DatasetManifest) -> tuple[object, ...]:
    """Names the estimate among the questions of :func:`~nightlights.interface.background.background`."""
    return ("glow", str(workspace().root), manifest.name, manifest.created)


def _needs_no_record(manifest: DatasetManifest, found: GlowEstimate) -> bool:
    return manifest.glow_is_exact or manifest.glow == {"glow_share": found.share, "glow_fwhm_m": found.fwhm_m}


def _estimate(question: tuple[object, ...], name: str) -> None:
    from nightlights.glow import glow_of_dataset

    place = workspace()
    background().forget(question)
    background().ask(question, lambda: glow_of_dataset(Dataset.open(place, name)), float("inf"))


def _record(name: str, found: GlowEstimate) -> None:
    from nightlights.glow import record_glow

    try:
        with job_store().holding(f"datasets/{name}"):
            record_glow(Dataset.open(workspace(), name), found)
    except NightlightsError as error:
        flash(str(error), "error")
        return
    flash(f"The dataset {name} has {'a' if found.supported else 'no'} glow from now on.")
