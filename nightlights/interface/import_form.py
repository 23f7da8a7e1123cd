"""The form of an import: TFRecord files, how their numbers are scaled, roles; and what each file becomes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st
from pydantic import ValidationError

from nightlights.errors import NightlightsError
from nightlights.interface.jobs_view import duration
from nightlights.interface.state import job_store, show_error
from nightlights.manifests import ROLES, FileScaling, ImportRequest, Role
from nightlights.names import unused_name
from nightlights.settings import Settings
from nightlights.tfrecords.importing import propose_import
from nightlights.wording import size

if TYPE_CHECKING:
    from nightlights.tfrecords.importing import ImportProposal

_SCALINGS: Final[dict[FileScaling | None, str]] = {
    None: "As the first record shows",
    "study": "The study's (temperature 0 to 1, radiance / 60)",
    "physical": "Physical (K, nW/cm²/sr)",
}


def import_panel(settings: Settings, taken: Sequence[str]) -> None:
    """Ask for files, say what they become, and start the import; ``taken`` are names of datasets."""
    # With a key and a rerun the expander stays as it is when what stands above it grows or shrinks.
    with st.expander(
        "Import TFRecord files", icon=":material/folder_open:", key="import-panel", on_change="rerun"
    ):
        text = st.text_area(
            "TFRecord files and mixers",
            key="import_files",
            height=68,
            placeholder="study/training_patches_g*.tfrecord.gz",
            persist_state="session",
            help="Paths, folders or patterns on the machine that runs the app, one a line. A file of patches "
            "becomes a region; so does a mixer.json with the files of its image.",
        )
        files = [_absolute(line.strip()) for line in text.splitlines() if line.strip()]
        if not files:
            st.caption("Patches in the study's form, and images that Earth Engine exported as TFRecord.")
            return
        scaling = st.selectbox(
            "Scaling in the files",
            list(_SCALINGS),
            format_func=lambda option: _SCALINGS[option],
            key="import_scaling",
            persist_state="session",
            help="It is undone: a dataset holds physical units.",
        )
        other: Role | None = st.selectbox(
            "Role of files not named train… or eval…",
            ROLES,
            index=None,
            placeholder="Refuse them",
            key="import_other_role",
            persist_state="session",
        )
        simulated = st.checkbox(
            "The imagery was simulated", key="import_simulated", help="Files do not tell."
        )
        suggestion = unused_name("imported", taken)
        name = st.text_input("Name of the dataset", key="import_name", placeholder=suggestion) or suggestion
        try:
            request = ImportRequest(
                dataset=name,
                files=files,
                scaling=scaling or "study",
                other_role=other,
                simulated=simulated,
                fwhm_m=settings.fwhm_m,
            )
            proposal = propose_import(request, guess_scaling=scaling is None)
        except ValidationError as error:
            st.error(f"**The {error.errors()[0]['loc'][0]} cannot be used: {error.errors()[0]['msg']}.**")
            return
        except NightlightsError as error:
            show_error(error)
            return
        st.caption(proposal_words(proposal))
        if st.button("Import", width="stretch"):
            _submit(proposal.request)


def _submit(request: ImportRequest) -> None:
    try:
        job_store().submit("import", request, f"Import {request.dataset}")
    except NightlightsError as error:
        show_error(error)
        return
    st.session_state["export-wanted"] = request.dataset
    st.rerun()


def _absolute(pattern: str) -> str:
    return str(Path(pattern).expanduser().absolute())


def proposal_words(proposal: "ImportProposal") -> str:
    """Regions by role, size, time, bands and scaling in one line."""
    roles = Counter(region.role for region in proposal.regions)
    words = ", ".join(f"{roles[role]} to {role}" for role in ROLES if roles[role])
    count = len(proposal.regions)
    return (
        f"{count} region{'s' * (count != 1)} ({words}) · **{size(proposal.size)}** of files · about "
        f"**{duration(proposal.seconds)}** · {len(proposal.bands)} bands · {proposal.request.scaling} scaling"
    )
