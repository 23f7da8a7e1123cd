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
    rows = [epoch.model_dump() for epoch in epochs]
    # Columns of a later version of the program stay.
    fields = dict.fromkeys([*EpochRecord.model_fields, *(field for row in rows for field in row)])
    writer = csv.DictWriter(text, list(fields), lineterminator="\n")
    writer.writerow({field: COLUMNS.get(field, field) for field in fields})
    writer.writerows(rows)
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
            epochs.append(EpochRecord.model_validate(values, extra="allow"))
        except (ValidationError, TypeError):
            break
    return epochs
