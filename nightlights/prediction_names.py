"""Names of predictions: one for each run, dataset and region."""

import contextlib

from nightlights.errors import NightlightsError
from nightlights.manifests import PredictionRecord, read_record
from nightlights.names import MAXIMUM_LENGTH, joined_name, suggested_name, with_digest
from nightlights.workspace import Workspace


def prediction_name(workspace: Workspace, run: str, own_dataset: str, dataset: str, region: str) -> str:
    """The name under which ``run`` predicts a region unless another is given.

    It is ``RUN-REGION`` where that names nothing else, see :func:`nightlights.names.joined_name`; the
    dataset is a part of it where the run was trained on another. A prediction of the same region that an
    earlier version named keeps its name. Where the name is taken by a prediction of something else, a
    digest is added.

    Parameters
    ----------
    own_dataset:
        The dataset that the run was trained on.
    dataset:
        The dataset with the region.
    """
    parts = [run, region] if dataset == own_dataset else [run, dataset, region]
    same = (run, dataset, region)
    name, spare = joined_name(*parts), with_digest("-".join(parts), *same)
    former = (suggested_name(f"{run}-{region}"), suggested_name("-".join(parts)[:MAXIMUM_LENGTH]))
    known = workspace.prediction_names()
    for candidate in (name, spare, *former):
        for existing in known:
            if existing.lower() == candidate and _predicted(workspace, existing) == same:
                return existing
    return spare if name in {existing.lower() for existing in known} else name


def _predicted(workspace: Workspace, name: str) -> tuple[str, str, str] | None:
    """Run, dataset and region of a prediction; None where its record cannot be read."""
    with contextlib.suppress(NightlightsError):
        record = read_record(workspace.prediction_folder(name) / "prediction.json", PredictionRecord)
        return record.run, record.dataset, record.region
    return None
