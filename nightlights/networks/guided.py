"""Networks that multiply a footprint regression by a bounded factor, and networks whose light is capped.

Radiance is ``g exp(L tanh(z / L))``: g the footprint regression, z the network, L the limit. With its last
layer at 0 a network begins as the regression, and no first weights or unusual input can take it farther from
it than the factor exp(L). A plain network that predicts the inverse hyperbolic sine of radiance has no such
bound: a small overshoot becomes an explosion (four seeds, Bujumbura held out, gave an RMSE of 1.35, 1.41,
18.3 and 1.40 nW/cm2/sr). Models consist of Keras's own layers and operations, so that they load in safe mode.
"""

from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nightlights.bands import RadianceTransform, Scaling
from nightlights.footprint_terms import LEAST_RADIANCE, LOG_OFFSET, FootprintRegression, Term
from nightlights.manifests import ModelConfig
from nightlights.networks.base import Layout
from nightlights.networks.fixed_maps import fixed_map
from nightlights.networks.regression import RegressionLayout
from nightlights.networks.trees import factor_of

OUTPUT: Final = "transformed_radiance"


@dataclass(frozen=True)
class Assembled:
    """A network in its forms, which share their weights.

    Attributes
    ----------
    core:
        What the layout builds.
    trained:
        What a training step runs: from inputs, and the logarithm of the regression where there is one.
    scored:
        The same with the share of the factor that is kept.
    saved:
        From scaled bands alone, as it is used later.
    guided:
        Whether ``trained`` and ``scored`` take the logarithm of the regression beside the inputs.
    """

    core: Any
    trained: Any
    scored: Any
    saved: Any
    guided: bool = False

    @classmethod
    def plain(cls, model: Any) -> "Assembled":
        """A network that is one model in all its forms."""
        return cls(model, model, model, model)


def assemble(layout: Layout, config: ModelConfig, seed: int) -> Assembled:
    """Build the network that ``config`` describes, with fresh weights drawn from ``seed``."""
    import keras

    channels = len(config.bands) + config.viirs_input
    name = config.network.replace("-", "_")
    if config.guide is None:
        core = layout.build(channels, config.network, seed)
        model = core
        if config.largest_radiance is not None:
            highest = float(config.transform.forward(config.largest_radiance))
            model = keras.Model(core.inputs, keras.ops.minimum(core.outputs[0], highest), name=name)
        return Assembled(core, model, model, model)
    bands = keras.Input((None, None, channels), name="bands")
    daytime = _first(bands, channels, len(config.bands))
    light = _guide(daytime, config.guide, config.scaling)
    if isinstance(layout, RegressionLayout):
        if config.boosting is not None:
            light = light * factor_of(daytime, config.boosting, len(config.bands))
        model = keras.Model(bands, _output(light, config), name=name)
        return Assembled.plain(model)
    core = guided_core(layout, channels, config.network, seed)
    trained, scored = (with_share(core, config, share) for share in (1.0, kept_share(config)))
    joined = keras.layers.Concatenate(name="with_guide")([bands, _read(light, config.guide)])
    factor = _multiplied(core(joined), light, config, kept_share(config))
    return Assembled(core, trained, scored, keras.Model(bands, _output(factor, config), name=name), True)


def with_share(core: Any, config: ModelConfig, share: float) -> Any:
    """The model of what a training step reads, and the logarithm of the guide, that keeps ``share``.

    Returns
    -------
    keras.Model
        From inputs, shape (n, height, width, channels), and the natural logarithm of the guide's radiance in
        nW/cm2/sr, shape (n, height, width, 1), to transformed radiance, shape (n, height, width, 1).
    """
    import keras

    inputs = keras.Input(core.input_shape[1:], name="inputs")
    logarithm = keras.Input((None, None, 1), name="log_guide")
    light = _multiplied(core(inputs), keras.ops.exp(logarithm), config, share)
    return keras.Model([inputs, logarithm], _output(light, config))


def kept_share(config: ModelConfig) -> float:
    """The share of the factor's logarithm that predictions keep; all of it until it is chosen."""
    return 1.0 if config.residual_share is None else config.residual_share


def guided_core(layout: Layout, channels: int, name: str, seed: int) -> Any:
    """The network of ``layout`` that also reads the regression, with a last layer of zeros."""
    if "output" in {field.name for field in fields(layout)}:  # type: ignore[arg-type]
        layout = replace(layout, output="linear")  # type: ignore[type-var]
    core = layout.build(channels + 1, name, seed)
    last = core.layers[-1]
    last.set_weights([np.zeros(weight.shape, np.float32) for weight in last.get_weights()])
    return core


def read_guide(logarithm: NDArray[np.floating[Any]], guide: FootprintRegression) -> NDArray[np.float32]:
    """What the network reads of the regression, of its natural logarithm; any shape."""
    read = (np.log(np.exp(logarithm) + LOG_OFFSET) - guide.center) / guide.spread
    result: NDArray[np.float32] = read.astype(np.float32)
    return result


def _read(light: Any, guide: FootprintRegression) -> Any:
    from keras import ops

    return (ops.log(light + LOG_OFFSET) - guide.center) / guide.spread


def _multiplied(raw: Any, light: Any, config: ModelConfig, share: float) -> Any:
    from keras import ops

    limit = config.residual_limit or 1.0
    return light * ops.exp(share * limit * ops.tanh(raw / limit))


def _output(light: Any, config: ModelConfig) -> Any:
    """Transformed radiance, of radiance below the cap."""
    import keras

    if config.largest_radiance is not None:
        light = keras.ops.minimum(light, config.largest_radiance)
    transformed = _forward(light, config.transform)
    return keras.layers.Activation("linear", name=OUTPUT)(transformed)


def _forward(light: Any, transform: RadianceTransform) -> Any:
    from keras import ops

    return transform.forward(light, ops)


def _first(tensor: Any, channels: int, count: int) -> Any:
    """The first ``count`` channels."""
    if count == channels:
        return tensor
    return fixed_map(tensor, np.eye(channels, count), np.zeros(count), "guide_bands")


def straightened(scaled: Any, scaling: Scaling, name: str) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    """Bands that an affine map brings back to their units, of bands scaled by ``scaling``.

    Returns
    -------
    bands, spread, center:
        Tensor, shape (n, height, width, bands); factor and summand of the map, shape (bands,).
    """
    from keras import ops

    spread, center = np.asarray(scaling.spread), np.asarray(scaling.center)
    if not any(scaling.knee):
        return scaled, spread, center
    # Bands without a knee go by; those with one come back to their unit.
    knee = np.asarray(scaling.knee)
    bent = knee > 0
    stretched = fixed_map(scaled, np.diag(spread * bent), center * bent, f"{name}_stretched")
    plain = fixed_map(scaled, np.diag(~bent * 1.0), np.zeros(len(bent)), f"{name}_plain")
    back = fixed_map(ops.sinh(stretched), np.diag(knee), np.zeros(len(bent)), f"{name}_bent")
    return plain + back, np.where(bent, 1.0, spread), np.where(bent, 0.0, center)


def _guide(scaled: Any, guide: FootprintRegression, scaling: Scaling) -> Any:
    """Radiance of the regression in nW/cm2/sr, of scaled bands."""
    import keras
    from keras import ops

    bands, spread, center = straightened(scaled, scaling, "guide")
    constant, *weights = guide.weights
    used = sorted(
        (
            (term, weight)
            for term, weight in zip(guide.terms, weights, strict=True)
            if weight > 0 and term.member is None
        ),
        key=lambda pair: _kind(pair[0]),
    )
    light = fixed_map(bands, np.zeros((len(spread), 1)), np.array([constant]), "guide_constant")
    for number, (_, group) in enumerate(groupby(used, key=lambda pair: _kind(pair[0]))):
        pairs = list(group)
        variables = np.array([guide.variables[term.variable] for term, _ in pairs]).T
        width = np.array([term.high - term.low for term, _ in pairs])
        low = np.array([term.low for term, _ in pairs])
        kernel = spread[:, None] * variables / width
        ratio = fixed_map(bands, kernel, (center @ variables - low) / width, f"guide_terms{number}")
        term = pairs[0][0]
        ratio = ops.clip(ratio, 0.0, term.limit)
        if term.power != 1:
            ratio = ops.power(ratio, term.power)
        if term.falling:
            ratio = 1.0 - ratio
        if term.context:
            # One axis after the other; neither counts what lies beyond the image.
            mean = ratio
            for size in ((term.context, 1), (1, term.context)):
                mean = keras.layers.AveragePooling2D(size, strides=1, padding="same")(mean)
            ratio = ops.sqrt(ops.maximum(ratio * mean, 0.0))
        own = np.array([[weight] for _, weight in pairs])
        light = light + fixed_map(ratio, own, np.zeros(1), f"guide_light{number}")
    for number, classes in enumerate(guide.maps):
        own = np.zeros((len(classes.offsets), 1))
        for term, weight in zip(guide.terms, weights, strict=True):
            if term.member is not None and term.variable == number:
                own[term.member] = weight
        slopes = np.array(classes.slopes).T
        offsets = np.array(classes.offsets) + center @ slopes
        logits = fixed_map(bands, spread[:, None] * slopes, offsets, f"guide_classes{number}")
        shares = keras.layers.Softmax(axis=-1)(logits)
        light = light + fixed_map(shares, own, np.zeros(1), f"guide_light_of_classes{number}")
    return ops.maximum(light, LEAST_RADIANCE)


def _kind(term: Term) -> tuple[float, float, bool, int]:
    return term.power, term.limit, term.falling, term.context
