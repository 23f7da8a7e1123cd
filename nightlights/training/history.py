"""``history.csv``: one row an epoch."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from nightlights.files import write_text
from nightlights.manifests import EpochRecord

HISTORY_FILE = "history.csv"


def write_history(folder: Path, epochs: Sequence[EpochRecord]) -> None:
    """Write all ``epochs`` to the history of the run in ``folder``, whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(EpochRecord.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(epoch.model_dump() for epoch in epochs)
    write_text(folder / HISTORY_FILE, text.getvalue())


def read_history(folder: Path) -> list[EpochRecord]:
    """The epochs of the run in ``folder`` up to the first unreadable row; none where there is no history."""
    try:
        text = (folder / HISTORY_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    epochs: list[EpochRecord] = []
    for row in csv.DictReader(io.StringIO(text)):
        try:
            values = {key: value if value != "" else None for key, value in row.items()}
            epochs.append(EpochRecord.model_validate(values))
        except (ValidationError, TypeError):
            break
    return epochs
