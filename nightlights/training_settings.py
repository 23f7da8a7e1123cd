"""What a training run depends on besides its dataset."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field

from nightlights.records import Record, Share
from nightlights.wording import FIRST_OUTPUT

Loss = Literal[
    "pixel squared error",
    "pixel absolute error",
    "pixel Huber",
    "footprint squared error",
    "footprint Huber",
    "mixture",
]
FOOTPRINT_LOSSES: frozenset[Loss] = frozenset(("footprint squared error", "footprint Huber", "mixture"))
"""Losses that compare what VIIRS would have seen with what it measured."""
PIXEL_LOSSES: frozenset[Loss] = frozenset(
    ("pixel squared error", "pixel absolute error", "pixel Huber", "mixture")
)
"""Losses that compare analysis pixels with a label; a mixture does both."""
TRAINED_ON_TRUTH = "trained on the hidden truth"
"""Said of a run wherever runs are listed: no real network can be trained so."""
READS_VIIRS = "reads VIIRS"
"""Said of a run wherever runs are listed: what it is scored on is, smoothed, among its inputs."""
Schedule = Literal["constant", "cosine", "plateau"]
Optimizer = Literal["SGD", "Adam", "AdamW"]
Resampling = Literal["nearest", "bilinear"]
Guide = Literal["none", "footprint regression"]
Decoder = Literal["transposed", "resize"]
SMALLEST_PATCH: Final = 32
"""Side in analysis pixels of the smallest patch that may be asked for."""
SMALLEST_DEFAULT_PATCH: Final = 128
"""Side in analysis pixels of the smallest patch that a network is trained on unless another is asked for."""


VIIRS_SMOOTHING: Final = 6.0
"""Standard deviation in VIIRS pixels by which VIIRS is smoothed before it becomes an input.

See :mod:`nightlights.measured_input`. A model keeps the one that it was trained with.
"""

FEW_REGIONS: Final = 10
"""Below so many training regions a network's factor is held in tighter limits."""
LIMIT_OF_FEW, LIMIT_OF_MANY = 0.7, 1.5
"""Largest logarithm of the factor with few and with many training regions."""
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the logarithm among which many regions choose."""
SHARE_OF_FEW: Final = 0.5
"""With few training regions, so much of the logarithm is kept."""


def counted_patches(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """``chosen`` settings, in which patches that are named take the place of passes that are not."""
    if "patches_per_region" in chosen and "passes" not in chosen:
        return {**chosen, "passes": 0.0}
    return dict(chosen)


class TrainingSettings(Record):
    """Everything that a training run depends on besides its dataset."""

    network: str = "unet-small"
    epochs: int = Field(default=10, ge=1, le=10_000)
    patches_per_region: int = Field(default=40, ge=1, le=100_000, description="patches a region an epoch")
    passes: float = Field(
        default=0.0,
        ge=0,
        le=10_000,
        description="times that training goes over the footprints of its regions, from which the patches "
        "follow; 0: as many patches a region as given",
    )
    patch_size: int = Field(
        default=SMALLEST_DEFAULT_PATCH,
        ge=SMALLEST_PATCH,
        le=2048,
        multiple_of=16,
        description="analysis pixels",
    )
    batch_size: int = Field(default=8, ge=1, le=4096)
    learning_rate: float = Field(default=3e-3, gt=0, le=10)
    optimizer: Optimizer = "AdamW"
    loss: Loss = "footprint squared error"
    footprint_share: Share = Field(default=0.5, description="of the footprint loss in a mixture")
    label: Literal["VIIRS", "truth"] = Field(
        default="VIIRS", description="truth: the hidden radiance of simulated imagery, for the oracle alone"
    )
    label_resampling: Resampling = "bilinear"
    loader: Literal["random patches", "study", "study mended"] = Field(
        default="random patches",
        description="how patches are drawn; the study's two, of its benchmark and of older runs, draw once",
    )
    point_spread: Literal["fixed", "learned"] = "fixed"
    first_output: Literal["as drawn", "mean radiance"] = Field(
        default="as drawn",
        description=FIRST_OUTPUT,
    )
    viirs_input: bool = Field(default=False, description="VIIRS is an input too: the network is to sharpen")
    guide: Guide = Field(
        default="none", description="a regression that the network multiplies by a bounded factor"
    )
    residual_limit: float | None = Field(
        default=None,
        gt=0,
        le=5,
        description="largest logarithm of that factor; by the number of regions unless given",
    )
    residual_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="of that logarithm that is kept; by the regions unless given",
    )
    decoder: Decoder = Field(
        default="transposed",
        description="how a U-Net with a guide enlarges: transposed convolutions, or pixels doubled before a "
        "convolution; without a guide always the former",
    )
    light_cap: float = Field(
        default=0.0, ge=0, le=10_000, description="largest light, x the brightest training VIIRS; 0 for any"
    )
    compress_tails: bool = Field(
        default=False, description="an inverse hyperbolic sine goes before the scaling of heavy-tailed bands"
    )
    texture_networks: int = Field(
        default=0,
        ge=0,
        le=16,
        description="pixel networks that place the light within footprints; 0 for none",
    )
    schedule: Schedule | None = Field(default=None, description="the network's own unless given")
    gradient_norm: float | None = Field(
        default=None,
        ge=0,
        description="largest norm of the gradient, 0 for any; unless given, the network's",
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="of AdamW")
    weight_averaging: float = Field(
        default=0.0, ge=0, lt=1, description="decay a step of the moving average of the weights; 0 for none"
    )
    sharpening_contrast: float = Field(
        default=1.0,
        ge=0.1,
        le=2,
        description="power of the prediction that sharpening takes its texture from",
    )
    early_stopping: int | None = Field(
        default=None, ge=1, description="epochs without a better evaluation after which training ends"
    )
    rotate: bool = True
    mirror: bool = True
    seed: int = Field(default=1, ge=0, lt=2**31)
    train_regions: list[str] | None = Field(default=None, description="all of role train unless given")
    evaluate_regions: list[str] | None = Field(default=None, description="all of role evaluate unless given")
    maximum_missing_share: float = Field(default=0.2, ge=0, lt=1)
    evaluation_patches: int = Field(default=32, ge=1, description="patches for each RMSE curve, fixed")
