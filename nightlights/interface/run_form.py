"""The form of a training run: everything that the study varied, with defaults that work."""

from collections.abc import Sequence
from typing import get_args

import streamlit as st

from nightlights.devices import Device, describe
from nightlights.errors import NightlightsError
from nightlights.interface.advanced_form import ask_for_advanced
from nightlights.interface.texture_form import ask_for_texture
from nightlights.manifests import (
    DatasetManifest,
    Loss,
    Optimizer,
    Resampling,
    TrainingRequest,
    TrainingSettings,
)
from nightlights.names import unused_name
from nightlights.networks.registry import NETWORKS
from nightlights.training.choices import check_choices
from nightlights.training_settings import PIXEL_LOSSES

STUDY = "study-unet"
"""The network whose settings are those of the study's best row."""

_ROLES = ("train", "evaluate")
_LOSS_HELP = (
    "Footprint: the prediction is seen as VIIRS would see it, then compared with what VIIRS measured. "
    "Pixel: each 29 m pixel is compared with VIIRS resampled to 29 m, as in the study. Mixture: some "
    "of both. Huber: large differences count less than their square."
)


@st.cache_resource(show_spinner=False)
def machine() -> Device:
    """The device of this machine; asked once, since asking starts a process."""
    return describe()


def what_is_impossible(manifest: DatasetManifest, settings: TrainingSettings) -> NightlightsError | None:
    """Why a run with these settings could not begin, as far as the manifest tells; None where it could."""
    try:
        check_choices(manifest, settings)
    except NightlightsError as error:
        return error
    return None


def default_settings(device_kind: str) -> TrainingSettings:
    """Those of the network that suits the device."""
    name = next((name for name, info in NETWORKS.items() if info.suits_cpu), next(iter(NETWORKS)))
    return NETWORKS["unet" if device_kind == "GPU" and "unet" in NETWORKS else name].settings


def fill_in(settings: TrainingSettings) -> None:
    """Put ``settings`` into the form's widgets; call it before they are drawn."""
    for field, value in settings.model_dump().items():
        if field not in {"train_regions", "evaluate_regions"}:
            st.session_state[f"train_{field}"] = value


def ask_for_run(
    manifest: DatasetManifest, taken: Sequence[str], defaults: TrainingSettings
) -> TrainingRequest:
    """Draw the form for ``manifest`` and return what was chosen.

    Raises
    ------
    pydantic.ValidationError
        When the run's name cannot be used.
    """
    if "train_network" not in st.session_state:
        fill_in(defaults)
    regions = {role: [region.name for region in manifest.regions if region.role == role] for role in _ROLES}
    train = st.multiselect(
        "Training regions",
        regions["train"],
        default=regions["train"],
        key=f"train_on_{manifest.name}",
        wrap=True,
        persist_state="session",
    )
    evaluate = st.multiselect(
        "Evaluation regions",
        regions["evaluate"],
        default=regions["evaluate"],
        key=f"evaluate_on_{manifest.name}",
        wrap=True,
        persist_state="session",
        help="Never trained on: their RMSE tells how well the network does elsewhere.",
    )
    network = st.selectbox(
        "Network",
        list(NETWORKS),
        key="train_network",
        format_func=lambda name: NETWORKS[name].title,
        persist_state="session",
    )
    st.caption(NETWORKS[network].description)
    _presets(network)
    texture = ask_for_texture()
    fitted = NETWORKS[network].fitted
    idle = fitted and not texture["texture_networks"]
    chosen = {
        "network": network,
        **_amount(idle),
        **_learning(idle, fitted),
        **_details(idle),
        **ask_for_advanced(network),
    }
    settings = TrainingSettings.model_validate(
        {
            **chosen,
            **NETWORKS[network].fixed,
            **texture,
            "train_regions": None if train == regions["train"] else train,
            "evaluate_regions": None if evaluate == regions["evaluate"] else evaluate,
        }
    )
    suggestion = unused_name(f"{manifest.name}-{network}", taken)
    name = st.text_input("Name of the run", key="train_name", placeholder=suggestion, persist_state="session")
    notes = st.text_area("Notes", key="train_notes", height=68, persist_state="session")
    return TrainingRequest(run=name or suggestion, dataset=manifest.name, settings=settings, notes=notes)


def settings_words(network: str) -> str:
    """The settings of a network in short, for example ``100 patches a region, batches of 16``."""
    own = NETWORKS[network].settings
    turned = " and ".join(name for name, on in (("rotation", own.rotate), ("mirroring", own.mirror)) if on)
    return (
        f"{own.patches_per_region} patches a region, batches of {own.batch_size}, {own.optimizer} at "
        f"{own.learning_rate:g}, {own.epochs} epochs, {own.loss}, {turned or 'no augmentation'}"
    )


def _presets(network: str) -> None:
    with st.container(horizontal=True):
        st.button(
            "Settings for this network",
            on_click=fill_in,
            args=(NETWORKS[network].settings,),
            help="Fills in the settings that suit the network; change any of them afterwards.",
        )
        st.button(
            "Study preset",
            on_click=fill_in,
            args=(NETWORKS[STUDY].settings,),
            help=f"Fills in the network and settings of the study's best row: {settings_words(STUDY)}.",
        )


def _amount(idle: bool) -> dict[str, object]:
    """How much is trained; nothing is where ``idle``."""
    left, right = st.columns(2)
    with left:
        passes = st.number_input(
            "Passes over the footprints",
            0.0,
            10_000.0,
            step=1.0,
            format="%.3g",
            key="train_passes",
            persist_state="session",
            disabled=idle,
            help="How often training sees each VIIRS pixel of its regions, over all epochs. Patches follow "
            "from it. 0: as many patches a region as stated beside. Below ten, a network has hardly begun.",
        )
        patches = st.number_input(
            "Patches a region",
            1,
            100_000,
            key="train_patches_per_region",
            persist_state="session",
            disabled=idle or passes > 0,
            help="Drawn anew, at random, every epoch. Set the passes to 0 to choose it: else it follows from "
            "them.",
        )
        batch = st.number_input(
            "Batch size",
            1,
            4096,
            key="train_batch_size",
            persist_state="session",
            disabled=idle,
            help="Patches a step.",
        )
    with right:
        epochs = st.number_input(
            "Epochs",
            1,
            10_000,
            key="train_epochs",
            persist_state="session",
            disabled=idle,
            help="How many times training goes through its patches. Twice as many take twice as long.",
        )
        size = st.number_input(
            "Patch size (pixels)",
            32,
            2048,
            step=16,
            key="train_patch_size",
            persist_state="session",
            help="Side in 29 m pixels, a multiple of 16: 128 pixels are 8 VIIRS pixels, 3.7 km. Regions to "
            "train or evaluate on must be at least as large.",
        )
    return {
        "passes": passes,
        "patches_per_region": int(patches),
        "batch_size": int(batch),
        "epochs": int(epochs),
        "patch_size": int(size) // 16 * 16,
    }


def _learning(idle: bool, fitted: bool) -> dict[str, object]:
    """How weights descend; nothing is trained where ``idle``, only texture networks, which have an optimizer
    of their own, where ``fitted``.
    """
    left, right = st.columns(2)
    with left:
        optimizer = st.selectbox(
            "Optimizer", get_args(Optimizer), key="train_optimizer", persist_state="session", disabled=fitted
        )
    with right:
        rate = st.number_input(
            "Learning rate",
            1e-7,
            10.0,
            step=1e-4,
            format="%.5g",
            key="train_learning_rate",
            persist_state="session",
            disabled=fitted,
            help="How far each step moves the weights. Lower it where the error jumps.",
        )
    loss = st.selectbox("Loss", get_args(Loss), key="train_loss", help=_LOSS_HELP, persist_state="session")
    left, right = st.columns(2)
    with left:
        rotate = st.checkbox(
            "Rotate", key="train_rotate", persist_state="session", disabled=idle, help="By quarter turns."
        )
    with right:
        mirror = st.checkbox("Mirror", key="train_mirror", persist_state="session", disabled=idle)
    return {
        "optimizer": optimizer,
        "learning_rate": rate,
        "loss": loss,
        "rotate": rotate,
        "mirror": mirror,
    }


def _details(idle: bool) -> dict[str, object]:
    """What most runs leave as it is."""
    with st.expander("Seed, missing pixels, resampling"):
        seed = st.number_input(
            "Seed",
            0,
            2**31 - 1,
            key="train_seed",
            persist_state="session",
            help="The same seed and settings give the same run.",
        )
        missing = st.slider(
            "Largest missing share of a patch",
            0.0,
            0.95,
            key="train_maximum_missing_share",
            persist_state="session",
            help="Patches with more missing pixels are never drawn; missing pixels never train.",
        )
        resampling = st.selectbox(
            "VIIRS to 29 m (pixel losses)",
            get_args(Resampling),
            key="train_label_resampling",
            persist_state="session",
            disabled=idle
            or st.session_state.get("train_loss") not in PIXEL_LOSSES
            or st.session_state.get("train_label") == "truth",
        )
        fixed = st.number_input(
            "Patches for the RMSE curves",
            1,
            10_000,
            key="train_evaluation_patches",
            persist_state="session",
            help="The same patches after every epoch, for training and for evaluation.",
        )
    return {
        "seed": int(seed),
        "maximum_missing_share": missing,
        "label_resampling": resampling,
        "evaluation_patches": int(fixed),
    }
