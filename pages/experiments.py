"""Experiments: every run with its settings and figures; notes, curves, scores, deletion."""

import streamlit as st

from nightlights.experiments import list_experiments, read_history, table_csv
from nightlights.interface import experiment_view, sweep_form, sweep_view, training_view
from nightlights.interface.choices import chosen
from nightlights.interface.navigation import page_link
from nightlights.interface.plots import show_chart
from nightlights.interface.scores_table import filtered, run_columns, run_rows, score_columns, score_rows
from nightlights.interface.state import job_store, page_header, workspace

space = workspace()
experiments = list_experiments(space, job_store())
page_header(
    "Experiments",
    "Every run with its settings and figures; select rows to compare curves.",
    source_simulated=any(each.record.source.simulated for each in experiments) or not experiments,
)
sweep_view.show_sweep_jobs()
experiment_view.show_cross_validation_jobs()
if not experiments:
    st.info("There is no run yet. Every network that you train appears here with its settings and figures.")
    page_link("train", "Train a network")
    st.stop()

search, download = st.columns([4, 1], vertical_alignment="bottom")
words = search.text_input(
    "Filter",
    placeholder="words of any column, for example: unet-small footprint africa",
    key="filter",
    bind="query-params",
)
shown = experiment_view.choose_own(experiments)
found = filtered(shown, words)
if not found:
    more = (
        ", or also show the runs of sweeps, cross-validations and benchmarks"
        if len(shown) < len(experiments)
        else ""
    )
    st.info(f"No run matches “{words}”. Take a word away{more}.")
    st.stop()
download.download_button(
    "Download CSV",
    table_csv(found),
    "experiments.csv",
    "text/csv",
    icon=":material/download:",
    width="stretch",
    on_click="ignore",
)
selection = st.dataframe(
    run_rows(found),
    column_config=run_columns(),
    hide_index=True,
    placeholder="–",
    on_select="rerun",
    selection_mode="multi-row",
    key="runs",
)
selected = [found[index].name for index in selection.selection.rows if index < len(found)]
selected = selected or [found[0].name]

curves, details = st.columns([3, 1], gap="large")
with curves:
    st.markdown("#### RMSE while training")
    histories = {name: read_history(space.run_folder(name)) for name in selected}
    drawn = {name: epochs for name, epochs in histories.items() if epochs}
    if drawn:
        show_chart(training_view.curves(drawn, 1), key="rmse")
    else:
        st.info("No epoch has been finished yet.")
with details:
    st.markdown("#### Notes and scores")
    name = chosen("Run", selected, key="run")
    experiment = next(each for each in found if each.name == name)
    experiment_view.regions(experiment.record)
    experiment_view.notes(experiment.record)
    experiment_view.calibrate(experiment)
    experiment_view.cross_validate(experiment.record)
    experiment_view.delete_run(name)
st.markdown(
    f"#### Scores of {name}", help="At the VIIRS grid, over whole regions; errors summed over pixels."
)
if experiment.scores:
    rows = score_rows(experiment.scores)
    st.dataframe(rows, column_config=score_columns(experiment.scores), hide_index=True, height="content")
else:
    st.info("Not evaluated yet: the scores appear when training has ended.")
st.markdown("#### Sweeps", help="Runs with different settings, compared by their evaluation RMSE.")
with st.expander("Search settings", icon=":material/tune:"):
    sweep_form.sweep_form([each.record for each in experiment_view.own_first(experiments)])
sweep_view.show_sweeps(space.sweep_names())
experiment_view.show_cross_validations(space.crossvalidation_names())
