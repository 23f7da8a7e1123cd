"""The one list of networks: what each is for, how large it is, and the settings that suit it."""

from dataclasses import dataclass, replace
from typing import Any, Final, Self

from nightlights.bands import STUDY_TRANSFORM, RadianceTransform
from nightlights.errors import ModelError
from nightlights.manifests import Schedule, TrainingSettings
from nightlights.networks.base import Layout
from nightlights.networks.convnext import ConvNextUNetLayout
from nightlights.networks.layout import UNetLayout
from nightlights.networks.pixel import PixelLayout
from nightlights.networks.regression import RegressionLayout
from nightlights.networks.segformer import Stage, WindowedSegFormerLayout
from nightlights.training_settings import Decoder

STUDY_BAND_COUNT = 9
NETWORKS_VERSION: Final = 1
"""Raised when a network, or how it predicts a region, changes: figures of before are measured again."""
FOOTPRINT_REGRESSION: Final = "footprint-regression"
"""Name of the regression that is offered beside the networks."""
LARGEST_GRADIENT: Final = 1.0
"""Norm of the gradient to which networks are limited that clip it."""


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """A network that can be trained.

    Attributes
    ----------
    name, title, description:
        Key in the registry, words for people.
    layout:
        The architecture.
    transform:
        How radiance becomes the number that the network predicts.
    study_scaling:
        Whether bands are scaled as in the study where they are Landsat's; fitted to the data otherwise.
    schedule:
        Learning rate: constant, or a warm-up followed by a cosine decay.
    clipped_gradients:
        Whether the norm of the gradient is limited to 1, which keeps rare bright patches from upsetting
        the weights.
    suits_cpu:
        Whether training without a GPU takes minutes rather than hours.
    settings:
        Settings that suit the network; a person may change each.
    """

    name: str
    title: str
    description: str
    layout: Layout
    transform: RadianceTransform
    study_scaling: bool
    schedule: Schedule
    clipped_gradients: bool
    suits_cpu: bool
    settings: TrainingSettings

    @property
    def gradient_norm(self) -> float | None:
        """Largest norm of the gradient, unless the settings name another; None without a limit."""
        return LARGEST_GRADIENT if self.clipped_gradients else None

    def with_decoder(self, decoder: Decoder) -> Self:
        """The network with that decoder, where it is a U-Net that has the choice; itself otherwise."""
        if not isinstance(self.layout, UNetLayout) or self.study_scaling:
            return self
        return replace(self, layout=replace(self.layout, decoder=decoder))

    @property
    def fixed(self) -> dict[str, Any]:
        """Settings that it cannot have otherwise, whatever those of another network were."""
        if self.study_scaling:
            return {"guide": "none", "light_cap": 0.0, "compress_tails": False, "decoder": "transposed"}
        if self.fitted:
            return {
                "guide": "none",
                "decoder": "transposed",
                "viirs_input": False,
                "label": "VIIRS",
                "point_spread": "fixed",
            }
        return {}

    @property
    def fitted(self) -> bool:
        """Whether it is a regression, fitted at once, rather than a network that is trained step by step."""
        return isinstance(self.layout, RegressionLayout)

    @property
    def boosted(self) -> bool:
        """Whether trees are fitted to what its regression leaves."""
        return isinstance(self.layout, RegressionLayout) and self.layout.boosted

    @property
    def depth(self) -> int:
        """Number of halvings between the input and the coarsest level."""
        return self.layout.depth

    @property
    def base_filters(self) -> int:
        """Filters at full resolution."""
        return self.layout.base_filters

    @property
    def stride(self) -> int:
        """Sides of patches and origins of tiles are multiples of this, in pixels."""
        return self.layout.stride

    @property
    def margin(self) -> int:
        """Pixels that a tile needs on each side to equal the pass over the whole image."""
        return self.layout.margin

    @property
    def parameters(self) -> int:
        """Trainable weights for the nine bands of the study."""
        return self.layout.parameters(STUDY_BAND_COUNT)

    @property
    def reach(self) -> int:
        """Farthest input pixel, along one axis, that an output pixel's cell of :attr:`stride` depends on."""
        return self.layout.receptive_reach()

    def training_bytes(self, pixels: int) -> int:
        """About the bytes that the activations of a training step on ``pixels`` input pixels take."""
        return self.layout.training_bytes(pixels)


_STUDY = NetworkInfo(
    name="study-unet",
    title="The study's U-Net",
    description=(
        "The network of the study, for comparison: 31 million weights, depth 5, a sigmoid that caps "
        "radiance at 60 nW/cm²/sr. Slow without a GPU."
    ),
    layout=UNetLayout(
        depth=5,
        base_filters=32,
        convolution_bias=True,
        normalised_concatenation=True,
        momentum=0.99,
        output="sigmoid",
    ),
    transform=STUDY_TRANSFORM,
    study_scaling=True,
    schedule="constant",
    clipped_gradients=False,
    suits_cpu=False,
    settings=TrainingSettings(
        network="study-unet",
        epochs=20,
        patches_per_region=100,
        patch_size=256,
        batch_size=16,
        learning_rate=0.01,
        optimizer="SGD",
        loss="pixel squared error",
        label_resampling="nearest",
        rotate=False,
        mirror=False,
    ),
)

# Nearly linear in residential light, logarithmic in city centres. On the simulated planet, after 300 steps
# with the footprint loss, two seeds gave held-out RMSE of 1.43 and 1.52 nW/cm²/sr (1.49 and 1.84 with a
# scale of 1) and 7.2 against the truth (8.8 and 12.0 with a scale of 1).
_TRANSFORM = RadianceTransform(kind="inverse hyperbolic sine", scale=5.0)

# A bounded factor keeps networks from exploding, and beginning at the regression keeps them from losing to
# it; see nightlights.networks.guided.
_HYBRID: Final[dict[str, Any]] = {
    "guide": "footprint regression",
    "light_cap": 5.0,
    "compress_tails": True,
    "passes": 10.0,
}
_HYBRID_ON_GPU: Final[dict[str, Any]] = {**_HYBRID, "passes": 20.0}

# On five African cities of the simulated planet that the demo does not know, trained as the demo's network:
# with one to four of them, sharpened light at 30 m has 0.811, 0.822, 0.817, 0.816 x the RMSE of interpolated
# VIIRS, and 0.810, 0.769, 0.763, 0.744 x its log-RMSE. More than three gain less than they cost.
_TEXTURE_NETWORKS: Final = 3

_LARGE = NetworkInfo(
    name="unet",
    title="U-Net",
    description=(
        "The study's U-Net with its faults mended: no cap on radiance, no idle weights, light that is never "
        "negative. 31 million weights, depth 5. Wants a GPU."
    ),
    layout=UNetLayout(
        depth=5,
        base_filters=32,
        convolution_bias=False,
        normalised_concatenation=False,
        momentum=0.9,
        output="softplus",
    ),
    transform=_TRANSFORM,
    study_scaling=False,
    schedule="cosine",
    clipped_gradients=True,
    suits_cpu=False,
    settings=TrainingSettings(
        network="unet",
        texture_networks=_TEXTURE_NETWORKS,
        epochs=30,
        patches_per_region=200,
        patch_size=256,
        batch_size=16,
        learning_rate=1e-3,
        **_HYBRID_ON_GPU,
    ),
)

_SMALL = NetworkInfo(
    name="unet-small",
    title="Small U-Net",
    description="A U-Net of half a million weights, depth 4, that trains in minutes without a GPU.",
    layout=UNetLayout(
        depth=4,
        base_filters=8,
        convolution_bias=False,
        normalised_concatenation=False,
        momentum=0.9,
        output="softplus",
    ),
    transform=_TRANSFORM,
    study_scaling=False,
    schedule="cosine",
    clipped_gradients=True,
    suits_cpu=True,
    settings=TrainingSettings(network="unet-small", texture_networks=_TEXTURE_NETWORKS, **_HYBRID),
)

_MEDIUM = NetworkInfo(
    name="unet-medium",
    title="Medium U-Net",
    description="The small U-Net with twice the filters: two million weights, depth 4. Quick on a GPU.",
    layout=UNetLayout(
        depth=4,
        base_filters=16,
        convolution_bias=False,
        normalised_concatenation=False,
        momentum=0.9,
        output="softplus",
    ),
    transform=_TRANSFORM,
    study_scaling=False,
    schedule="cosine",
    clipped_gradients=True,
    suits_cpu=False,
    settings=TrainingSettings(
        network="unet-medium",
        texture_networks=_TEXTURE_NETWORKS,
        epochs=20,
        patches_per_region=100,
        batch_size=16,
        learning_rate=2e-3,
        **_HYBRID_ON_GPU,
    ),
)

_CONVNEXT = NetworkInfo(
    name="unet-convnext",
    title="ConvNeXt U-Net",
    description=(
        "A U-Net of ConvNeXt blocks (depthwise 7 x 7, layer normalisation): 1.3 million weights, depth 4. "
        "Each pixel is normalised by itself, so nothing depends on the rest of the batch."
    ),
    layout=ConvNextUNetLayout(depth=4, base_filters=16, blocks=1, output="softplus"),
    transform=_TRANSFORM,
    study_scaling=False,
    schedule="cosine",
    clipped_gradients=True,
    suits_cpu=False,
    settings=TrainingSettings(
        network="unet-convnext",
        texture_networks=_TEXTURE_NETWORKS,
        epochs=20,
        patches_per_region=100,
        batch_size=16,
        learning_rate=1e-3,
        **_HYBRID_ON_GPU,
    ),
)

_SEGFORMER = NetworkInfo(
    name="segformer",
    title="Transformer in windows (SegFormer-like)",
    description=(
        "A hierarchical transformer of 0.65 million weights. Its attention stays within windows of up to "
        "128 pixels (4 km), so that tiles of a prediction meet exactly."
    ),
    layout=WindowedSegFormerLayout(
        stages=(
            Stage(filters=32, blocks=1, heads=1, window=8, reduction=4),
            Stage(filters=64, blocks=1, heads=2, window=8, reduction=2),
            Stage(filters=128, blocks=2, heads=4, window=8, reduction=1),
        ),
        decoder_filters=64,
        base_filters=16,
        momentum=0.9,
        output="softplus",
    ),
    transform=_TRANSFORM,
    study_scaling=False,
    schedule="cosine",
    clipped_gradients=True,
    suits_cpu=False,
    settings=TrainingSettings(
        network="segformer",
        texture_networks=_TEXTURE_NETWORKS,
        epochs=30,
        patches_per_region=100,
        patch_size=256,
        batch_size=8,
        learning_rate=1e-3,
        **_HYBRID_ON_GPU,
    ),
)

_PIXEL = NetworkInfo(
    name="pixel",
    title="Pixel network",
    description=(
        "Looks at each pixel by itself: 1,500 weights. Knows little by day alone, but learns where within a "
        "footprint of VIIRS the light comes from, so it is the one to sharpen with."
    ),
    layout=PixelLayout(layers=3, base_filters=24, momentum=0.9, output="softplus"),
    transform=_TRANSFORM,
    study_scaling=False,
    schedule="cosine",
    clipped_gradients=True,
    suits_cpu=True,
    settings=TrainingSettings(network="pixel", **_HYBRID),
)

_REGRESSION = NetworkInfo(
    name=FOOTPRINT_REGRESSION,
    title="Footprint regression",
    description=(
        "No network: a sum of functions of each pixel's bands with weights of at least 0, fitted through the "
        "footprints of VIIRS in seconds. It cannot explode, and other networks begin from it."
    ),
    layout=RegressionLayout(),
    transform=_TRANSFORM,
    study_scaling=False,
    schedule="constant",
    clipped_gradients=False,
    suits_cpu=True,
    settings=TrainingSettings(network=FOOTPRINT_REGRESSION, epochs=1, light_cap=5.0, compress_tails=True),
)

_BOOSTED = replace(
    _REGRESSION,
    name="boosted-regression",
    title="Boosted footprint regression",
    description=(
        "The footprint regression, multiplied by trees that follow what lies within 1 and 2.8 km of a pixel "
        "and are boosted on what it leaves of VIIRS. Trees are kept only as far as they help in regions left "
        "out. Fitted in seconds; wants many or large regions."
    ),
    layout=RegressionLayout(base_filters=128, boosted=True),
    settings=_REGRESSION.settings.model_copy(update={"network": "boosted-regression"}),
)

NETWORKS: dict[str, NetworkInfo] = {
    info.name: info
    for info in (
        _SMALL,
        _MEDIUM,
        _LARGE,
        _CONVNEXT,
        _SEGFORMER,
        _PIXEL,
        _REGRESSION,
        _BOOSTED,
        _STUDY,
    )
}
"""The networks by name, the default first."""


def network_info(name: str) -> NetworkInfo:
    """The network called ``name``.

    Raises
    ------
    ModelError
        When there is none; the remedy lists the choices.
    """
    try:
        return NETWORKS[name]
    except KeyError as error:
        raise ModelError(f"There is no network {name!r}.", f"Choose one of {', '.join(NETWORKS)}.") from error


def build(name: str, band_count: int, seed: int = 1) -> Any:
    """Build the network called ``name`` with fresh weights drawn from ``seed``.

    Returns
    -------
    keras.Model
        From scaled bands, shape (n, height, width, ``band_count``), to transformed radiance, shape
        (n, height, width, 1). Height and width are multiples of the network's stride.

    Raises
    ------
    ModelError
        When the name is unknown or there is no band.
    """
    info = network_info(name)
    if band_count < 1:
        raise ModelError("A network needs at least one band.", "Choose the bands of the dataset.")
    return info.layout.build(band_count, name, seed)
