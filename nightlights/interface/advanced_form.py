"""The part of the training form that most runs leave as it is: labels, schedules, averages, stopping."""

from collections.abc import Mapping
from typing import get_args

import streamlit as st

from nightlights.networks.registry import NetworkInfo, network_info
from nightlights.training_settings import FEW_REGIONS, LIMIT_OF_FEW, LIMIT_OF_MANY, SHARE_OF_FEW, Schedule
from nightlights.wording import FIRST_OUTPUT

_LABELS = {"VIIRS": "VIIRS", "truth": "Hidden truth (simulated imagery alone)"}
_SPREADS = {"fixed": "As in the dataset", "learned": "Learned"}
_DECODERS = {"transposed": "Transposed convolutions", "resize": "Doubled pixels, then a convolution"}
_GUIDES = {"none": "None: the network alone", "footprint regression": "Footprint regression"}
_FIRST_OUTPUTS = {"as drawn": "As drawn", "mean radiance": "Mean radiance"}


def ask_for_advanced(network: str) -> dict[str, object]:
    """Draw the expander and return what was chosen, by the names of the settings.

    What is left to the ``network`` shows the value that it will have.
    """
    with st.expander("Advanced"):
        info = network_info(network)
        return {**_compared(), **_guided(info), **_descent(info), **_ending()}


def _compared() -> dict[str, object]:
    share = st.slider(
        "Share of the footprint loss in a mixture",
        0.0,
        1.0,
        step=0.05,
        key="train_footprint_share",
        persist_state="session",
        disabled=st.session_state.get("train_loss") != "mixture",
        help="Of the loss called mixture: this share of the footprint squared error, the rest of the pixel "
        "squared error.",
    )
    label = _choice(
        "Label",
        _LABELS,
        "train_label",
        "What a pixel loss compares with. The hidden truth is known for simulated imagery alone: a "
        "network trained on it shows what is possible at best, and no real network can be trained so.",
    )
    spread = _choice(
        "Point spread",
        _SPREADS,
        "train_point_spread",
        "How far VIIRS spreads the light of a point. Learned: training finds the width itself, between "
        "300 and 2,000 m, beginning with that of the dataset. Needs a footprint loss or a mixture.",
    )
    viirs = st.checkbox(
        "VIIRS is an input, too",
        key="train_viirs_input",
        persist_state="session",
        help="The network also reads the smoothed VIIRS image, for predictions that are sharpened "
        "afterwards. It then no longer predicts from the day alone.",
    )
    return {
        "footprint_share": share,
        "label": label,
        "point_spread": spread,
        "viirs_input": viirs,
    }


def _guided(info: NetworkInfo) -> dict[str, object]:
    """What keeps light within bounds; what the network cannot have is shut."""
    shut = "guide" in info.fixed
    guide = st.selectbox(
        "Guide",
        list(_GUIDES),
        key="train_guide",
        format_func=_GUIDES.__getitem__,
        persist_state="session",
        disabled=shut,
        help="A regression of VIIRS on the bands, fitted through the footprints within seconds. The network "
        "multiplies it by a bounded factor, so that no seed explodes and none loses much to it.",
    )
    limit = st.number_input(
        "Largest logarithm of the factor",
        0.05,
        5.0,
        value=None,
        step=0.1,
        key="train_residual_limit",
        placeholder=f"{LIMIT_OF_FEW:g}, from {FEW_REGIONS} regions {LIMIT_OF_MANY:g}",
        persist_state="session",
        disabled=shut or guide == "none",
        help="0.7 lets the network halve or double the light of its guide, 1.5 divide or multiply it by 4.5.",
    )
    share = st.number_input(
        "Share of it that is kept",
        0.0,
        1.0,
        value=None,
        step=0.25,
        key="train_residual_share",
        placeholder=f"{SHARE_OF_FEW:g}, from {FEW_REGIONS} regions chosen",
        persist_state="session",
        disabled=shut or guide == "none",
        help=f"Unless given, {SHARE_OF_FEW:g} with fewer than {FEW_REGIONS} training regions. With more, "
        "short trainings on halves of them choose it, which takes half as long again.",
    )
    cap = st.number_input(
        "Largest light (x the brightest VIIRS pixel)",
        0.0,
        10_000.0,
        step=1.0,
        key="train_light_cap",
        persist_state="session",
        disabled="light_cap" in info.fixed,
        help="No 29 m pixel is predicted brighter than this multiple of the brightest VIIRS pixel of the "
        "training regions. 0 sets no limit.",
    )
    tails = st.checkbox(
        "Compress heavy-tailed bands",
        key="train_compress_tails",
        persist_state="session",
        disabled="compress_tails" in info.fixed,
        help="Takes an inverse hyperbolic sine of bands such as population, whose few largest values lie far "
        "above all others, before they are scaled.",
    )
    decoder = st.selectbox(
        "Decoder",
        list(_DECODERS),
        key="train_decoder",
        format_func=_DECODERS.__getitem__,
        persist_state="session",
        disabled="decoder" in info.fixed or guide == "none",
        help="How a U-Net with a guide enlarges. Doubled pixels before a convolution leave no checkerboard; "
        "other networks ignore it.",
    )
    return {
        "guide": guide,
        "decoder": decoder,
        "residual_limit": limit,
        "residual_share": share,
        "light_cap": cap,
        "compress_tails": tails,
    }


def _choice(label: str, titles: Mapping[str, str], key: str, meaning: str) -> str:
    """Ask for one of the values in ``titles``, which says how each is shown."""
    return st.selectbox(
        label, list(titles), key=key, format_func=titles.__getitem__, persist_state="session", help=meaning
    )


def _own(value: str) -> str:
    return f"{value}, the network's own"


def _descent(info: NetworkInfo) -> dict[str, object]:
    first = _choice("First output", _FIRST_OUTPUTS, "train_first_output", FIRST_OUTPUT)
    schedule = st.selectbox(
        "Learning rate over time",
        get_args(Schedule),
        index=None,
        key="train_schedule",
        placeholder=_own(info.schedule),
        persist_state="session",
        help="Constant; cosine: rises briefly, then falls to a hundredth; plateau: halved after 3 epochs "
        "without a better training loss.",
    )
    norm = st.number_input(
        "Largest norm of the gradient",
        0.0,
        1000.0,
        value=None,
        key="train_gradient_norm",
        placeholder=_own("no limit" if info.gradient_norm is None else f"{info.gradient_norm:g}"),
        persist_state="session",
        help="Keeps a rare bright patch from upsetting the weights. 0 sets no limit.",
    )
    decay = st.number_input(
        "Weight decay",
        0.0,
        1.0,
        step=0.001,
        format="%.4g",
        key="train_weight_decay",
        persist_state="session",
        disabled=st.session_state.get("train_optimizer") != "AdamW",
        help="Of AdamW alone: how strongly weights are drawn towards 0, against overfitting.",
    )
    average = st.number_input(
        "Averaging of the weights",
        0.0,
        0.99999,
        step=0.001,
        format="%.5g",
        key="train_weight_averaging",
        persist_state="session",
        help="Share of a moving average that each step keeps; the average is what is scored and saved. 0.99 "
        "averages over about 100 steps; 0 turns it off.",
    )
    contrast = st.number_input(
        "Contrast for sharpening",
        0.1,
        2.0,
        step=0.05,
        key="train_sharpening_contrast",
        persist_state="session",
        help="Power of the prediction from which sharpening takes its texture. 1 serves: how far the texture "
        "is trusted is measured when a region is sharpened. Changes no weight.",
    )
    return {
        "first_output": first,
        "schedule": schedule,
        "gradient_norm": norm,
        "weight_decay": decay,
        "weight_averaging": average,
        "sharpening_contrast": contrast,
    }


def _ending() -> dict[str, object]:
    patience = st.number_input(
        "Stop early after (epochs)",
        1,
        10_000,
        value=None,
        key="train_early_stopping",
        placeholder="never",
        persist_state="session",
        help="Ends training after so many epochs without a better evaluation RMSE, and keeps the best epoch. "
        "The evaluation regions have then chosen the model: their scores are no longer a test of it.",
    )
    return {"early_stopping": patience}
