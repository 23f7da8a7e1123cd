"""Make the prediction that ships ready-made, and its picture: models/first-look.

    python tools/first_look.py [MODEL]

MODEL is the name of a shipped model; the first that newcomers see unless given.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from nightlights import cog, palettes
from nightlights.firstlook import PICTURE_FILE, first_look_region, run_first_look
from nightlights.jobs.kinds import FIRST_LOOK, FirstLookRequest
from nightlights.manifests import PredictionRecord, read_record
from nightlights.progress import NoProgress
from nightlights.shipped import PREFIX, first_shipped, models_folder
from nightlights.workspace import Workspace

_SIDE, _GAP = 384, 8
_RED_GREEN_BLUE = (3, 2, 1)
_COVERED = (0.02, 0.22)
"""Reflectance that is drawn from black to white."""


def picture(folder: Path, record: PredictionRecord) -> Image.Image:
    """Daytime, VIIRS and sharpened light side by side."""
    daytime, viirs, light = (
        cog.read(folder / record.layers[layer]) for layer in ("daytime", "viirs", "sharpened")
    )
    low, high = _COVERED
    colours = np.stack([daytime[band] for band in _RED_GREEN_BLUE], axis=-1)
    natural = (np.clip((colours - low) / (high - low), 0, 1) ** 0.8 * 255).astype(np.uint8)
    images = [natural, *(_shaded(each[0]) for each in (viirs, light))]
    sheet = Image.new("RGB", (3 * _SIDE + 2 * _GAP, _SIDE), "white")
    for index, image in enumerate(images):
        shown = Image.fromarray(image).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
        sheet.paste(shown, (index * (_SIDE + _GAP), 0))
    draw = ImageDraw.Draw(sheet)
    for index, words in enumerate(("Landsat by day", "VIIRS at night", "sharpened to 30 m")):
        place = (index * (_SIDE + _GAP) + 8, _SIDE - 18)
        draw.text(place, words, fill="white", stroke_width=2, stroke_fill="black")
    return sheet


def _shaded(light: np.ndarray) -> np.ndarray:
    return palettes.RADIANCE[(palettes.radiance_to_unit(light) * 255).astype(int)].astype(np.uint8)


def main(arguments: list[str]) -> int:
    """Predict, copy, draw."""
    first = first_shipped()
    name = PREFIX + arguments[0] if arguments else first and first.run.name
    if not name:
        print("No model ships.", file=sys.stderr)
        return 2
    target = models_folder() / FIRST_LOOK
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace.open(Path(root))
        run_first_look(workspace, FirstLookRequest(run=name), NoProgress(), resume=False)
        made = workspace.prediction_folder(FIRST_LOOK)
        record = read_record(made / "prediction.json", PredictionRecord)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(made, target)
    sheet = picture(target, record)
    sheet.save(target / PICTURE_FILE, optimize=True)
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target.name}: {first_look_region().name} by {name}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
