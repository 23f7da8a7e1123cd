"""The form of a sweep: a run to start from, the settings to vary, and what that costs."""

from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

from nightlights.errors import NightlightsError, SettingsError
from nightlights.interface.state import flash, job_store, show_error, workspace
from nightlights.manifests import RunRecord, TrainingSettings
from nightlights.networks.registry import NETWORKS
from nightlights.sweeps.estimate import SweepPlan, plan_sweep
from nightlights.sweeps.records import SweepRequest
from nightlights.sweeps.variations import choices, parse_variation, setting_title, words_of

Search = Literal["grid", "random"]

_SEARCHES: Final[dict[Search, str]] = {"grid": "Every combination", "random": "Drawn at random"}
_HELP: Final = (
    "Values with commas, such as 0.001, 0.003. Drawn at random it may also be a range: log:1e-4:1e-2, or "
    "linear:0:1."
)


def sweep_form(runs: Sequence[RunRecord]) -> None:
    """Ask what to vary, say how many runs that is and how long they take, and begin."""
    known = {run.name: run for run in runs}
    base = known[st.selectbox("Start from the run", list(known), key="sweep_base")]
    search: Search = st.radio(
        "Combinations",
        list(_SEARCHES),
        format_func=_SEARCHES.__getitem__,
        horizontal=True,
        key="sweep_search",
    )
    fields = st.multiselect(
        "Settings to vary",
        [field for field in TrainingSettings.model_fields if field != "loader"],
        default=["learning_rate"],
        format_func=setting_title,
        wrap=True,
        key="sweep_fields",
    )
    texts = {
        field: st.text_input(
            setting_title(field)[:1].upper() + setting_title(field)[1:],
            suggested(field, base.settings, search),
            key=f"sweep-{search}-{base.name}-{field}",
            help=_HELP,
        )
        for field in fields
    }
    trials, seed = _random_amount() if search == "random" else (None, 1)
    suggestion = unused(f"{base.name[:50]}-sweep", workspace().sweep_names())
    name = st.text_input("Name of the sweep", key="sweep_name", placeholder=suggestion)
    request, plan = None, None
    try:
        request = sweep_request(base, name or suggestion, search, texts, trials, seed)
        plan = plan_sweep(workspace(), request, runs)
    except NightlightsError as error:
        show_error(error)
    if plan:
        st.caption(f"**{plan.words}**, in the background; it can be cancelled and resumed.")
    if st.button("Begin the sweep", disabled=plan is None, icon=":material/tune:") and request and plan:
        _begin(request, plan)


def sweep_request(
    base: RunRecord, name: str, search: Search, texts: dict[str, str], trials: int | None, seed: int
) -> SweepRequest:
    """What the form asks for.

    Raises
    ------
    SettingsError
        When nothing is varied, or a value or the name cannot be used.
    """
    if not texts:
        raise SettingsError("Nothing is varied.", "Choose a setting.")
    vary = [parse_variation(f"{field}={text}", base.settings) for field, text in texts.items()]
    try:
        return SweepRequest(
            name=name,
            dataset=base.dataset,
            search=search,
            settings=base.settings,
            vary=vary,
            trials=trials,
            seed=seed,
        )
    except ValueError as error:
        raise SettingsError(
            f"{name[:80]!r} cannot be the name of a sweep.",
            "Use letters, digits, - and _, at most 60, beginning with a letter or digit.",
        ) from error


def suggested(field: str, settings: TrainingSettings, search: Search) -> str:
    """Values worth trying, around the run's own."""
    own = getattr(settings, field)
    if field == "network":
        return ", ".join(NETWORKS)
    if choices(field):
        return ", ".join(words_of(choice).replace(" ", "-") for choice in choices(field))
    if field == "learning_rate":
        return (
            f"log:{own / 10:g}:{own * 10:g}"
            if search == "random"
            else f"{own / 3:.2g}, {own:g}, {own * 3:.2g}"
        )
    if field == "seed":
        return f"{own}, {own + 1}, {own + 2}"
    if isinstance(own, int) and field != "patch_size":
        return f"{max(own // 2, 1)}, {own}, {own * 2}"
    return words_of(own)


def unused(wanted: str, taken: Sequence[str]) -> str:
    """``wanted``, or the first of ``wanted-2``, ``wanted-3``, ... that is not taken."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def _random_amount() -> tuple[int, int]:
    left, right = st.columns(2)
    with left:
        trials = st.number_input("Runs", 1, 200, 10, key="sweep_trials")
    with right:
        seed = st.number_input(
            "Seed of the search", 0, 2**31 - 1, 1, key="sweep_seed", help="The same seed draws the same runs."
        )
    return int(trials), int(seed)


def _begin(request: SweepRequest, plan: SweepPlan) -> None:
    try:
        job_store().submit("sweep", request, f"Sweep {request.name}, {len(plan.trials)} runs")
        flash(f"The sweep {request.name} has begun; its runs appear in the table.")
    except NightlightsError as error:
        flash(str(error), "error")
    st.rerun()
