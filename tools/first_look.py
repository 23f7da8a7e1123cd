"""Make the prediction that ships ready-made, and its pictures: models/first-look.

    python tools/first_look.py [MODEL]
    python tools/first_look.py --pictures

MODEL is the name of a shipped model; the first that newcomers see unless given. ``--pictures`` draws the
pictures of the prediction that is there.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from nightlights import cog, palettes
from nightlights.firstlook import PICTURES, first_look_region, run_first_look
from nightlights.jobs.kinds import FIRST_LOOK, FirstLookRequest
from nightlights.manifests import PredictionRecord, read_record
from nightlights.progress import NoProgress
from nightlights.shipped import PREFIX, first_shipped, models_folder
from nightlights.workspace import Workspace

_RED_GREEN_BLUE = (3, 2, 1)
_COVERED = (0.02, 0.22)
"""Reflectance that is drawn from black to white."""


def draw_pictures(folder: Path) -> dict[str, Image.Image]:
    """Daytime, VIIRS and sharpened light of the prediction in ``folder``, by what they show.

    VIIRS has one pixel for each of its own, which the page enlarges; the others have the analysis grid's.
    """
    record = read_record(folder / "prediction.json", PredictionRecord)
    daytime, viirs, light = (
        cog.read(folder / record.layers[layer]) for layer in ("daytime", "viirs", "sharpened")
    )
    low, high = _COVERED
    colours = np.stack([daytime[band] for band in _RED_GREEN_BLUE], axis=-1)
    natural = (np.clip((colours - low) / (high - low), 0, 1) ** 0.8 * 255).astype(np.uint8)
    arrays = {"day": natural, "night": _shaded(viirs[0]), "sharpened": _shaded(light[0])}
    return {shown: Image.fromarray(array) for shown, array in arrays.items()}


def save_pictures(folder: Path) -> None:
    """Write the pictures beside the prediction."""
    for shown, image in draw_pictures(folder).items():
        options = {"optimize": True} if PICTURES[shown].endswith(".png") else {"quality": 90, "method": 6}
        image.save(folder / PICTURES[shown], **options)


def _shaded(light: np.ndarray) -> np.ndarray:
    return palettes.RADIANCE[(palettes.radiance_to_unit(light) * 255).astype(int)].astype(np.uint8)


def main(arguments: list[str]) -> int:
    """Predict, copy, draw."""
    target = models_folder() / FIRST_LOOK
    if arguments == ["--pictures"]:
        save_pictures(target)
        return 0
    first = first_shipped()
    name = PREFIX + arguments[0] if arguments else first and first.run.name
    if not name:
        print("No model ships.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace.open(Path(root))
        run_first_look(workspace, FirstLookRequest(run=name), NoProgress(), resume=False)
        made = workspace.prediction_folder(FIRST_LOOK)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(made, target)
    save_pictures(target)
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target.name}: {first_look_region().name} by {name}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
