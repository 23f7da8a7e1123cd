"""``history.csv``: one row an epoch, with the units in the names of the columns."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from nightlights.files import write_text
from nightlights.manifests import EpochRecord

HISTORY_FILE = "history.csv"
COLUMNS: Final = {
    "train_rmse": "train_rmse_nw_cm2_sr",
    "evaluation_rmse": "evaluation_rmse_nw_cm2_sr",
}
"""Fields of an epoch whose column tells the unit; the loss has that of the run's own loss."""
_FIELDS: Final = {column: field for field, column in COLUMNS.items()}


def write_history(folder: Path, epochs: Sequence[EpochRecord]) -> None:
    """Write all ``epochs`` to the history of the run in ``folder``, whole."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS.get(field, field) for field in EpochRecord.model_fields)
    writer.writerows(epoch.model_dump().values() for epoch in epochs)
    write_text(folder / HISTORY_FILE, text.getvalue())


def read_history(folder: Path) -> list[EpochRecord]:
    """The epochs of the run in ``folder`` up to the first unreadable row; none where there is no history.

    Columns without a unit in their name, as older runs have them, are read too.
    """
    try:
        text = (folder / HISTORY_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    epochs: list[EpochRecord] = []
    for row in csv.DictReader(io.StringIO(text)):
        try:
            values = {_FIELDS.get(key, key): value if value != "" else None for key, value in row.items()}
            epochs.append(EpochRecord.model_validate(values))
        except (ValidationError, TypeError):
            break
    return epochs
