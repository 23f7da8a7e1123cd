"""What a person does to a run: writes notes, cross-validates its settings, deletes it."""

import contextlib
from collections.abc import Sequence

import streamlit as st

from nightlights.crossvalidation import read_cross_validation
from nightlights.errors import NightlightsError, WorkspaceError
from nightlights.experiments import MAXIMUM_NOTES, Experiment, delete_experiment, set_notes
from nightlights.interface.job_list import jobs_to_show, show_job
from nightlights.interface.scores_table import score_columns, score_rows
from nightlights.interface.state import flash, job_store, workspace
from nightlights.jobs.kinds import CalibrationRequest
from nightlights.manifests import CrossValidationRequest, RunRecord, read_record
from nightlights.uncertainty import UNCERTAINTY_FILE, Calibration
from nightlights.uncertainty.records import METHOD


def own_first(experiments: Sequence[Experiment]) -> list[Experiment]:
    """One's own runs, then those of any series; the order stays otherwise."""
    return sorted(experiments, key=lambda each: bool(each.series))


def choose_own(experiments: Sequence[Experiment]) -> list[Experiment]:
    """One's own runs; behind them those of any series where they are asked for.

    Where there are none of one's own, all others without asking.
    """
    own = [each for each in experiments if not each.series]
    others = [each for each in experiments if each.series]
    if not own or not others:
        return own or others
    shown = st.toggle(
        f"Also runs of sweeps, cross-validations and benchmarks ({len(others)})",
        key="others",
        bind="query-params",
        help="Sweeps and cross-validations have panels of their own at the bottom of this page.",
    )
    return [*own, *others] if shown else own


def regions(run: RunRecord) -> None:
    """The names of a run's regions, which the table only counts."""
    said = {"Trained on": run.train_regions, "Evaluated on": run.evaluate_regions}
    st.caption("  \n".join(f"{word}: {', '.join(names)}." for word, names in said.items() if names))


def notes(run: RunRecord) -> None:
    """The notes of a run, kept in its record."""
    text = st.text_area(
        "Notes",
        run.notes,
        max_chars=MAXIMUM_NOTES,
        key=f"notes-{run.name}",
        height=120,
        placeholder="What you wanted to find out, and what you found.",
        label_visibility="collapsed",
    )
    if st.button("Save notes", disabled=text == run.notes, icon=":material/save:"):
        try:
            set_notes(workspace(), run.name, text, job_store())
            flash(f"Saved the notes of {run.name}.")
        except NightlightsError as error:
            flash(str(error), "error")
        st.rerun()


def cross_validate(run: RunRecord) -> None:
    """A button that begins a cross-validation with the dataset and the settings of a run."""
    folds = len(run.train_regions) + len(run.evaluate_regions)
    if folds < 2:
        return
    with st.popover("Cross-validate", icon=":material/rule:"):
        minutes = folds * run.seconds / 60
        st.write(
            f"Trains {folds} runs with the settings of **{run.name}**: each of its regions is held out once "
            f"and scored by a model that has not seen it. It takes about {minutes:,.0f} minutes, in the "
            "background, and can be resumed."
        )
        if not st.button("Begin", key=f"cross-validate-{run.name}", type="primary"):
            return
        regions = [*run.train_regions, *run.evaluate_regions]
        settings = run.settings.model_copy(update={"train_regions": regions, "evaluate_regions": None})
        request = CrossValidationRequest(
            name=f"{run.name[:48]}-held-out",
            dataset=run.dataset,
            settings=settings,
            regions=regions,
        )
        try:
            job_store().submit("cross-validate", request)
            flash(f"The cross-validation {request.name} has begun; its scores appear below the sweeps.")
        except NightlightsError as error:
            flash(str(error), "error")
    st.rerun()


def calibrate(experiment: Experiment) -> None:
    """How well the intervals of a run hold, and a button that learns them; its job while it is at work."""
    run, folder = experiment.record, workspace().run_folder(experiment.name)
    if not experiment.has_model or not run.finished:
        return
    made = None
    # Whether it belongs to the model is checked by who uses it: reading a large model takes a second.
    with contextlib.suppress(WorkspaceError):
        made = read_record(folder / UNCERTAINTY_FILE, Calibration)
    jobs = [job for job in job_store().list("calibrate") if job.target == run.name]
    for job in jobs_to_show(jobs):
        show_job(job)
    if made:
        simulated = " Simulated imagery." if made.simulated else ""
        shares = [region.coverage for region in made.regions]
        st.caption(
            f"Calibrated: in held-out {made.held_out}, {made.coverage:.0%} of the VIIRS pixels lay inside of "
            f"their {made.level:.0%} intervals; in single regions from {min(shares):.0%} to "
            f"{max(shares):.0%}.{simulated} {made.remark}"
        )
        if made.method < METHOD:
            st.caption("These intervals were made by an older method: calibrate again.")
    with st.popover("Calibrate again" if made else "Calibrate", icon=":material/straighten:"):
        st.write(
            f"Learns how far **{run.name}** errs in regions that it was not trained on, without training it "
            "again. Its later predictions on Compare get the layers lower, upper and uncertainty: between "
            "lower and upper VIIRS should measure in 90 % of the pixels. A region is predicted eight times "
            "for this, now and later: minutes for a few cities, longer without a GPU."
        )
        if not run.evaluate_regions:
            st.info("This run has no evaluation region to learn from. Use those of another dataset:")
            st.code(f"nightlights calibrate --run {run.name} --dataset NAME", language=None)
            return
        st.write(f"It uses the evaluation regions: {', '.join(run.evaluate_regions)}.")
        busy = any(job.active for job in jobs)
        if not st.button("Begin", key=f"calibrate-{run.name}", type="primary", disabled=busy):
            return
        try:
            job_store().submit("calibrate", CalibrationRequest(run=run.name))
            flash(f"Calibrating {run.name} has begun. When it is done, predict again on Compare.")
        except NightlightsError as error:
            flash(str(error), "error")
    st.rerun()


def show_cross_validation_jobs() -> None:
    """The cross-validations at work with their time left, and those that stopped before their end."""
    for job in jobs_to_show(job_store().list("cross-validate")):
        show_job(job)


def show_cross_validations(names: Sequence[str]) -> None:
    """A table for each finished cross-validation; those that cannot be read are left out."""
    for name in names:
        with contextlib.suppress(WorkspaceError):
            record = read_cross_validation(workspace(), name)
            word = "simulated " if record.source.simulated else ""
            st.markdown(
                f"#### Cross-validation {name}",
                help=f"Each region of {word}{record.dataset} was held out of training once and scored by a "
                f"{record.settings.network} that has not seen it; errors summed over pixels.",
            )
            rows = score_rows(record.scores)
            st.dataframe(rows, column_config=score_columns(record.scores), hide_index=True, height="content")


def delete_run(name: str) -> None:
    """A button that asks again, then deletes."""
    with st.popover("Delete this run", icon=":material/delete:"):
        st.write(
            f"This removes **{name}**: its network, its curve and its scores. "
            "Predictions that it made stay; it can make no more."
        )
        if not st.button("Yes, delete it", key=f"delete-{name}"):
            return
        try:
            delete_experiment(workspace(), name, job_store())
            flash(f"Deleted the run {name}.")
        except NightlightsError as error:
            flash(str(error), "error")
    st.rerun()
