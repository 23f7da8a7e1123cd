"""Train: choose the settings, start a run, and watch its RMSE while it trains."""

import streamlit as st
from pydantic import ValidationError

from nightlights.errors import NightlightsError
from nightlights.experiments import list_experiments, read_history
from nightlights.interface.choices import chosen, chosen_before
from nightlights.interface.dataset_view import manifests
from nightlights.interface.figures import figure_row
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.navigation import page_link
from nightlights.interface.plots import show_chart
from nightlights.interface.run_form import (
    ask_for_run,
    default_settings,
    machine,
    what_is_impossible,
)
from nightlights.interface.state import job_store, page_header, show_error, workspace
from nightlights.interface.training_plan import plan, plan_sentence
from nightlights.interface.training_view import STAY_IN_VIEW, curves, run_figures
from nightlights.manifests import DatasetManifest, RunRecord, read_record

space, store = workspace(), job_store()
datasets = manifests(space.dataset_names())
shown = chosen_before("dataset", list(datasets))
page_header(
    "Train",
    "Train a network on a dataset, and watch its error fall.",
    source_simulated=datasets[shown].source.simulated if shown else True,
)


def training_form(manifest: DatasetManifest) -> None:
    """Ask for the settings, say what they cost, and start the run."""
    device = machine()
    try:
        request = ask_for_run(manifest, taken, default_settings(device.kind))
        settings = request.settings
        regions = settings.train_regions
        count = (
            sum(region.role == "train" for region in manifest.regions) if regions is None else len(regions)
        )
        st.caption(plan_sentence(plan(settings, count, runs, manifest), device))
        impossible = what_is_impossible(manifest, settings)
        if impossible:
            show_error(impossible)
        if st.button("Train", type="primary", disabled=impossible is not None, width="stretch"):
            store.submit("train", request, f"Train {request.run}")
            st.rerun()
        if any(job.active for job in store.list("train")):
            # The button is far below the card of the run that it started.
            st.caption("A run is training: how far it is stands at the top of this page.")
    except ValidationError as error:
        st.error(f"**{error.errors()[0]['msg']}.**")
    except NightlightsError as error:
        show_error(error)


def choose_curves(names: list[str], active: list[str]) -> list[str]:
    """Ask whose curves to draw; a run that begins is added by itself, once."""
    key = "curves"
    followed = st.session_state.setdefault("followed", set())
    picked = [name for name in st.session_state.get(key, names[:1]) if name in names]
    begun = [name for name in active if name in names and name not in followed]
    followed.update(begun)
    st.session_state[key] = [*picked, *(name for name in begun if name not in picked)]
    return st.multiselect("Runs in the chart", names, key=key, persist_state="session", wrap=True)


def watch(names: list[str], following: str | None, known: list[str]) -> None:
    """Figures of the run that trains, and the curves of all chosen runs, from their files."""
    if space.run_names() != sorted(known):
        st.rerun()
    planned = 1
    epochs = {name: read_history(space.run_folder(name)) for name in names}
    if following:
        try:
            run = read_record(space.run_folder(following) / "run.json", RunRecord)
        except NightlightsError:
            st.rerun()  # It was deleted meanwhile; the page knows what is left.
        mine = (job for job in store.list("train") if job.target == following)
        left = next((job.progress.seconds_left for job in mine), None)
        planned = run.settings.epochs
        st.markdown(f"#### {run.name}")
        figure_row(run_figures(run, epochs.get(run.name, []), left), key="run")
    finished = {name: rows for name, rows in epochs.items() if rows}
    if finished:
        show_chart(curves(finished, planned), key="rmse", height=420)
        st.caption(
            "Both are errors of VIIRS pixels: the predicted light, spread as VIIRS spreads it, against what "
            "VIIRS measured, after each epoch on patches that stay the same. Scores over whole regions "
            "differ; they are on the Experiments page."
        )
    elif names:
        st.info("The curve begins after the first epoch.")
    if following and any(run.name == following and run.finished for run in runs):
        page_link("compare", "Go on to predict and compare", run=following)


if not datasets:
    st.info("There is no dataset yet. Export imagery for your regions first; then train on it here.")
    page_link("imagery", "Export imagery")
picture, form = st.columns([3, 1], gap="large")
jobs = store.list("train")
runs = [each.record for each in list_experiments(space, store)]
taken = [*space.run_names(), *(job.target for job in jobs if job.active)]
if datasets:
    with form:
        st.markdown("#### New run")
        name = chosen("Dataset", list(datasets), key="dataset")
        training_form(datasets[name])
with picture, st.container(key="stay"):
    st.html(STAY_IN_VIEW)
    for job in jobs_to_show(jobs):
        show_job(job)
    active = [job.target for job in jobs if job.active]
    names = [run.name for run in runs]
    if names or active:
        picked = choose_curves(names, active)
        following = next((name for name in [*active, *picked] if name in picked), None)
        st.fragment(watch, run_every=1 if active else None)(picked, following, space.run_names())
    elif datasets:
        st.info("No network has been trained yet. The settings suit most cases: click **Train**.")
