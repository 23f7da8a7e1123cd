"""Compare: predict a region, then look at Landsat, VIIRS, prediction, difference and truth."""

import streamlit as st

from nightlights.errors import NightlightsError
from nightlights.interface import compare_map
from nightlights.interface.choices import chosen, chosen_before
from nightlights.interface.first_look import (
    choose_first_look,
    first_look_model,
    first_look_target,
    offer_first_look,
)
from nightlights.interface.imagery_layer import ShownImagery
from nightlights.interface.layer_choice import choose_layer, compare_layer
from nightlights.interface.legends import radiance_legend
from nightlights.interface.map_parts import Outline, View
from nightlights.interface.map_view import base_map, show_map
from nightlights.interface.navigation import page_link
from nightlights.interface.predict_panel import predict_panel
from nightlights.interface.prediction_choice import Target, targets, usable_runs
from nightlights.interface.prediction_view import (
    show_downloads,
    show_figures,
    show_fine_scores,
    show_values,
    show_verdict,
)
from nightlights.interface.publish_panel import publish_panel
from nightlights.interface.state import page_header, show_error, workspace
from nightlights.interface.theme import role_swatch
from nightlights.manifests import PredictionRecord, RunRecord
from nightlights.palettes import ROLE_COLOURS

# The map component takes this in once, when it is first shown: the same list wherever this page draws it.
READ_FROM_MAP = ["last_clicked"]

space = workspace()
choose_first_look()
runs = {run.name: run for run in usable_runs(space)}
shown = chosen_before("run", list(runs))
page_header(
    "Compare",
    "Predict a region, and hold the prediction against what VIIRS measured.",
    source_simulated=runs[shown].source.simulated if shown else True,
)


def choose_target() -> tuple[RunRecord, Target]:
    """Ask which run and which region."""
    run = runs[chosen("Run", list(runs), key="run")]
    found = {target.key: target for target in targets(space, run)}
    if not found and newcomer:
        return run, first_look_target()
    if not found:
        st.info("No dataset has the bands of this run any more. Export one with the same bands.")
        st.stop()

    follow_place(found)
    meaning = "Evaluation and prediction regions were never trained on."
    target = found[chosen("Region", list(found), key="region", meaning=meaning)]
    state = "predicted" if target.prediction else "not predicted yet"
    st.html(f"{role_swatch(target.role)}{target.role} region · {state}")
    return run, target


def follow_place(found: dict[str, Target]) -> None:
    """Stay at a place when another run names it otherwise: by its region alone, or with its dataset."""
    known = str(st.session_state.get("region") or "")
    place = known.rpartition("/")[2]
    same = next((key for key in found if key.rpartition("/")[2] == place), None)
    if known and known not in found and same:
        st.session_state["region"] = same


def draw_empty(target: Target) -> None:
    """Where the region lies, and what VIIRS measured there."""
    layers, legends = [], []
    if target.version:
        place = (target.dataset, target.region, target.version, target.bounds)
        layers = [compare_map.viirs_layer(*place, simulated=target.simulated)]
        legends = [radiance_legend("VIIRS")]
    outline = Outline(compare_map.outline_of(target.bounds), ROLE_COLOURS[target.role])
    view = View(token=target.key, bounds=target.bounds)
    show_map(
        base_map((5.0, 15.0), 3, draw=False, keep_view="compare"),
        "compare",
        layers=layers,
        legends=legends,
        outlines=[outline],
        view=view,
        returned=READ_FROM_MAP,
    )


def draw(
    record: PredictionRecord, picked: list[compare_map.LayerChoice], opacity: float, above: ShownImagery
) -> None:
    """The map with its layers, Earth Engine's above them; below it what lies at the clicked point."""
    folder, bounds = space.prediction_folder(record.name), record.window.window.bounds
    limit = compare_map.difference_limit(str(folder / record.layers["difference"]), str(record.created))
    sides: tuple[compare_map.Side | None, ...] = ("left", "right") if len(picked) == 2 else (None,)
    layers = [
        compare_map.map_layer(choice, record, limit, opacity, side)
        for choice, side in zip(picked, sides, strict=True)
    ]
    legends = [legend for choice in picked for legend in compare_map.legend_of(choice, record, limit)]
    answer = show_map(
        base_map((5.0, 15.0), 3, draw=False, keep_view="compare"),
        "compare",
        feature_groups=[compare_map.mark(compare_map.clicked_point(st.session_state.get("compare")))],
        layers=[*layers, *above.layers],
        swipe=(picked[0].title, picked[1].title) if len(picked) == 2 else None,
        legends=list(dict.fromkeys([*legends, *above.legends])),
        outlines=[Outline(compare_map.outline_of(bounds), ROLE_COLOURS[record.role])],
        view=View(token=f"{record.dataset}/{record.region}", bounds=bounds),
        returned=READ_FROM_MAP,
    )
    show_values(record, folder, compare_map.clicked_point(answer))


if not runs:
    st.info("There is no trained network yet. Train one, then predict any region with it here.")
    page_link("train", "Train a network")
    st.stop()
newcomer = first_look_model()
with st.container(key="compare-sides"):
    picture, controls = st.columns([3, 1], gap="large")
with controls:
    # On a telephone this part stands above the map, see theme.py.
    with st.container(key="compare-choice"):
        if newcomer:
            offer_first_look(newcomer)
        run, target = choose_target()
        layer = choose_layer(target.prediction) if target.prediction else None
    picked, opacity = compare_layer(target.prediction, layer) if target.prediction and layer else ([], 1.0)
    if target.version or target.prediction:
        predict_panel(run, target, primary=not target.prediction and newcomer is None)
    above = publish_panel(target.prediction) if target.prediction else ShownImagery()
with picture:
    try:
        if target.prediction is None:
            click = "Predict" if target.version else "Show me a prediction"
            st.info(f"**{target.region}** has not been predicted with **{run.name}** yet. Click **{click}**.")
            draw_empty(target)
        else:
            draw(target.prediction, picked, opacity, above)
    except NightlightsError as error:
        show_error(error)
if target.prediction:
    show_figures(target.prediction)
    show_verdict(target.prediction)
    show_fine_scores(target.prediction)
    show_downloads(target.prediction, space.prediction_folder(target.prediction.name))
