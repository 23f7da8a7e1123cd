"""TensorFlow made ready: memory growth on a GPU, reproducible sums on a CPU."""

import contextlib
from dataclasses import dataclass

import psutil

from nightlights import devices
from nightlights.errors import ModelError
from nightlights.networks import NetworkInfo
from nightlights.tensorflow_start import import_tensorflow


@dataclass(frozen=True, slots=True)
class Backend:
    """What TensorFlow will use: a GPU or not, and words about it for people."""

    gpu: bool
    description: str


def prepare() -> Backend:
    """Import TensorFlow and set it up for this process.

    Raises
    ------
    ModelError
        When Keras runs on another backend.
    """
    import_tensorflow()
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Training runs on TensorFlow, but Keras is set to {keras.backend.backend()}.",
            "Remove KERAS_BACKEND from the environment.",
        )
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        for gpu in gpus:
            # Refused once the GPU is in use, and then it was set before.
            with contextlib.suppress(RuntimeError):
                tf.config.experimental.set_memory_growth(gpu, True)
        details = tf.config.experimental.get_device_details(gpus[0])
        return Backend(True, f"GPU: {details.get('device_name', 'NVIDIA')}")
    # Without this, threads add up gradients in any order, and a resumed run would drift from the original.
    tf.config.experimental.enable_op_determinism()
    found = devices.describe()
    if found.kind == "CPU":
        return Backend(False, f"CPU: {found.name}. {found.note}".removesuffix(" ").removesuffix("."))
    return Backend(False, f"CPU. {found.name} is there, but TensorFlow cannot use it")


def check_memory(info: NetworkInfo, pixels: int, available_bytes: int | None = None) -> None:
    """Refuse a step that cannot fit into the machine's memory.

    Parameters
    ----------
    pixels:
        Input pixels of one step: batch size x patch size squared.
    available_bytes:
        Free memory in bytes, the machine's own unless given.

    Raises
    ------
    ModelError
        With both figures, in GB.
    """
    available = int(psutil.virtual_memory().available) if available_bytes is None else available_bytes
    # Weights, their gradients and two moments of the optimizer, in float32.
    estimate = getattr(info, "training_bytes", None) or info.layout.training_bytes
    needed = estimate(pixels) + 4 * 4 * info.parameters
    if needed > available:
        raise ModelError(
            f"{info.title} needs about {needed / 1e9:.1f} GB of memory for one step; "
            f"{available / 1e9:.1f} GB are free.",
            "Choose a smaller batch, smaller patches or a smaller network.",
        )
