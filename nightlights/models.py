"""Trained models on disk: ``model.keras`` beside ``config.json``.

A model of level and texture has both of the level, and a folder ``texture`` with both of the texture.
"""

import hashlib
from pathlib import Path
from typing import Any

from nightlights.errors import ModelError, WorkspaceError
from nightlights.files import replacing, sha256
from nightlights.manifests import ModelConfig, read_record
from nightlights.networks.segformer import fold_windows
from nightlights.tensorflow_start import import_tensorflow

MODEL_FILE = "model.keras"
CONFIG_FILE = "config.json"
TEXTURE_FOLDER = "texture"


def texture_folder(folder: Path) -> Path:
    """Where the texture of the model in ``folder`` lies, if it has one."""
    return folder / TEXTURE_FOLDER


def model_parts(folder: Path) -> list[Path]:
    """Folders of all that predicts together with the model in ``folder``: its own, and that of its texture.

    Its own alone where it has no configuration, so that it cannot predict.

    Raises
    ------
    WorkspaceError
        When its configuration is broken.
    """
    path = folder / CONFIG_FILE
    whole = path.exists() and read_record(path, ModelConfig).texture_networks > 0
    return [folder, texture_folder(folder)] if whole else [folder]


def model_sha256(folder: Path) -> str:
    """Digest of the weights of the model in ``folder``, as 64 hexadecimal digits.

    That of ``model.keras``; with a texture, of its digest and that of the texture.

    Raises
    ------
    WorkspaceError
        When the configuration is broken.
    OSError
        When a part is missing.
    """
    digests = [sha256(part / MODEL_FILE) for part in model_parts(folder)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


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
