"""Trained models on disk: ``model.keras`` beside ``config.json``."""

from pathlib import Path
from typing import Any

from nightlights.errors import ModelError, WorkspaceError
from nightlights.files import replacing
from nightlights.manifests import ModelConfig, read_record
from nightlights.networks.segformer import fold_windows
from nightlights.tensorflow_start import import_tensorflow

MODEL_FILE = "model.keras"
CONFIG_FILE = "config.json"


def save_model(folder: Path, model: Any) -> None:
    """Write ``model`` to ``folder``, whole."""
    with replacing(folder / MODEL_FILE) as partial:
        model.save(partial)


def load_model(folder: Path) -> tuple[Any, ModelConfig]:
    """Load the network and its configuration from ``folder``.

    Keras loads in its safe mode, so the file cannot run code of its own.

    Returns
    -------
    model, config:
        ``keras.Model`` from scaled bands, and smoothed VIIRS where ``viirs_input``, shape (n, height, width,
        channels), to transformed radiance, shape (n, height, width, 1); and what scales the one and undoes
        the other.

    Raises
    ------
    ModelError
        When a file is missing or broken, or the two do not belong together.
    """
    remedy = "Train it again, or restore the folder from a copy."
    try:
        config = read_record(folder / CONFIG_FILE, ModelConfig)
    except WorkspaceError as error:
        raise ModelError(
            f"The model in {folder} has no usable configuration: {error.message}", remedy
        ) from error
    path = folder / MODEL_FILE
    if not path.is_file():
        raise ModelError(f"{folder} holds no trained model.", "Train it first, or resume its training.")
    import_tensorflow()
    import keras

    try:
        model = fold_windows(keras.saving.load_model(path, compile=False, safe_mode=True))
    except Exception as error:
        # A broken archive may raise nearly anything: zip, HDF5, JSON, key and value errors.
        raise ModelError(f"{path} cannot be loaded: it is broken or not a Keras model.", remedy) from error
    channels, wanted = model.input_shape[-1], len(config.bands) + config.viirs_input
    if (
        channels != wanted
        or model.output_shape[-1] != 1
        or tuple(config.scaling.bands) != tuple(band.name for band in config.bands)
    ):
        raise ModelError(f"{path} takes {channels} bands, but {CONFIG_FILE} names {wanted}.", remedy)
    return model, config
