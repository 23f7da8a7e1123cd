"""Models that ship with the project: folders of ``models/``, listed without loading any.

A shipped model is used by the name ``shipped-NAME`` wherever a run is.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nightlights.errors import ModelError, WorkspaceError
from nightlights.manifests import ModelConfig, RunRecord, read_record
from nightlights.workspace import Workspace

PREFIX: Final = "shipped-"
FIRST_LOOK: Final = "first-look"
"""Name of the folder, dataset and prediction of a first look."""
MODELS_VARIABLE: Final = "NIGHTLIGHTS_MODELS"
"""Environment variable with another folder of models."""

TEXTURE_FOLDER: Final = "texture"
RUN_FILE, CONFIG_FILE, MODEL_FILE, CARD_FILE = "run.json", "config.json", "model.keras", "card.md"


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A model that anyone has who has the project.

    Attributes
    ----------
    name:
        Of its folder.
    folder:
        Holds ``model.keras``, ``config.json``, ``run.json``, ``card.md``; ``texture`` where it has one.
    run:
        How it was trained; its name is that by which predictions know the model, ``shipped-NAME``.
    config:
        What it takes and gives.
    """

    name: str
    folder: Path
    run: RunRecord
    config: ModelConfig


def models_folder() -> Path:
    """The project's folder of models; there may be none."""
    chosen = os.environ.get(MODELS_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(__file__).parent.parent / "models"


def shipped_models(root: Path | None = None) -> list[ShippedModel]:
    """The complete models in ``root``, by name; of the project unless given. Broken ones are left out."""
    folder = root or models_folder()
    found = []
    for path in sorted(folder.glob(f"*/{CONFIG_FILE}")):
        own = path.parent
        if not all((own / name).is_file() for name in (MODEL_FILE, RUN_FILE, CARD_FILE)):
            continue
        with contextlib.suppress(WorkspaceError):
            run = read_record(own / RUN_FILE, RunRecord).model_copy(update={"name": PREFIX + own.name})
            config = read_record(path, ModelConfig)
            if not config.texture_networks or (own / TEXTURE_FOLDER / MODEL_FILE).is_file():
                found.append(ShippedModel(own.name, own, run, config))
    return found


def shipped_model(run: str, root: Path | None = None) -> ShippedModel | None:
    """The model that ``run`` names; None when there is none."""
    return next((model for model in shipped_models(root) if model.run.name == run), None)


def first_shipped(root: Path | None = None) -> ShippedModel | None:
    """The model that a newcomer sees first: one of the daytime bands alone, ``daytime`` if there is one."""
    models = [model for model in shipped_models(root) if not model.config.viirs_input]
    return min(models, key=lambda model: (model.name != "daytime", model.name), default=None)


def usable_model(workspace: Workspace, run: str) -> tuple[Path, RunRecord]:
    """Folder and record of a run of the workspace, or of a shipped model.

    Raises
    ------
    ModelError
        When there is neither; the remedy lists what there is.
    """
    path = workspace.run_folder(run) / RUN_FILE
    if path.is_file():
        return path.parent, read_record(path, RunRecord)
    model = shipped_model(run)
    if model is not None:
        return model.folder, model.run
    known = ", ".join([*workspace.run_names(), *(each.run.name for each in shipped_models())]) or "none yet"
    raise ModelError(f"There is no run {run}.", f"Train it first. Runs: {known}.")
