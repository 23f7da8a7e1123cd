"""Everything that training needs to go on: weights, optimizer state and epoch, in one file without pickle."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import ModelError
from nightlights.files import replacing

CHECKPOINT_FILE = "checkpoint.npz"


def write_checkpoint(folder: Path, model: Any, optimizer: Any, epochs_done: int) -> None:
    """Write the state after ``epochs_done`` epochs to ``folder``, whole."""
    arrays: dict[str, Any] = {"epochs_done": np.int64(epochs_done)}
    arrays |= {f"weight{index}": np.asarray(value) for index, value in enumerate(model.weights)}
    arrays |= {f"optimizer{index}": np.asarray(value) for index, value in enumerate(optimizer.variables)}
    with replacing(folder / CHECKPOINT_FILE) as partial, partial.open("wb") as target:
        np.savez(target, allow_pickle=False, **arrays)


def read_checkpoint(folder: Path, model: Any, optimizer: Any) -> int:
    """Load the checkpoint in ``folder`` into ``model`` and ``optimizer``.

    Returns
    -------
    int
        Number of finished epochs; 0 where there is no checkpoint yet, which changes nothing.

    Raises
    ------
    ModelError
        When the file is broken or belongs to another network or optimizer.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return 0
    remedy = "Train it again from the start."
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"The checkpoint {path} is broken.", remedy) from error
    variables = {f"weight{index}": value for index, value in enumerate(model.weights)}
    variables |= {f"optimizer{index}": value for index, value in enumerate(optimizer.variables)}
    epochs_done = arrays.pop("epochs_done", None)
    fits = epochs_done is not None and arrays.keys() == variables.keys()
    if not fits or any(arrays[name].shape != tuple(variables[name].shape) for name in variables):
        raise ModelError(f"The checkpoint {path} belongs to another network or optimizer.", remedy)
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return int(epochs_done) if epochs_done is not None else 0


def delete_checkpoint(folder: Path) -> None:
    """Remove the checkpoint in ``folder`` if there is one."""
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
