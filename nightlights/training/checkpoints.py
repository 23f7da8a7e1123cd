"""Everything that training needs to go on: variables and epoch, in one file without pickle."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nightlights.errors import ModelError
from nightlights.files import replacing

CHECKPOINT_FILE = "checkpoint.npz"

State = Mapping[str, Sequence[Any]]
"""Variables of a backend by what they are, each kind in a fixed order."""


def write_checkpoint(folder: Path, state: State, epochs_done: int) -> None:
    """Write ``state`` after ``epochs_done`` epochs to ``folder``, whole."""
    arrays: dict[str, Any] = {"epochs_done": np.int64(epochs_done)}
    arrays |= {name: np.asarray(variable) for name, variable in _named(state).items()}
    with replacing(folder / CHECKPOINT_FILE) as partial, partial.open("wb") as target:
        np.savez(target, allow_pickle=False, **arrays)


def has_checkpoint(folder: Path) -> bool:
    """Whether an epoch is done, so that :func:`read_checkpoint` replaces every weight."""
    return (folder / CHECKPOINT_FILE).exists()


def read_checkpoint(folder: Path, state: State) -> int:
    """Load the checkpoint in ``folder`` into the variables of ``state``.

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
    variables = _named(state)
    epochs_done = arrays.pop("epochs_done", None)
    fits = epochs_done is not None and arrays.keys() == variables.keys()
    if not fits or any(arrays[name].shape != tuple(variables[name].shape) for name in variables):
        raise ModelError(f"The checkpoint {path} belongs to another network or optimizer.", remedy)
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return int(epochs_done) if epochs_done is not None else 0


def _named(state: State) -> dict[str, Any]:
    return {
        f"{kind}{index}": variable
        for kind, variables in state.items()
        for index, variable in enumerate(variables)
    }


def delete_checkpoint(folder: Path) -> None:
    """Remove the checkpoint in ``folder`` if there is one."""
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
