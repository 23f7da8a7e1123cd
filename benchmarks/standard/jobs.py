"""The jobs of the benchmark: scores on the standard cities, and the table of targets."""

from typing import Final, Literal

from pydantic import Field

from nightlights.jobs.kinds import EvaluationRequest, Kind, dataset_of_run
from nightlights.records import JobKind, Record
from nightlights.workspace import Workspace

KINDS_REFERENCE: Final = "standard.jobs:KINDS"


class StandardRequest(Record):
    """The arguments of a job that fills the table of targets.

    Attributes
    ----------
    train:
        Train the recipes from nothing and score them; otherwise the shipped models are scored.
    only:
        Keys of the recipes to train; all unless given.
    scale:
        Times the patches of every recipe.
    split:
        Which cities score.
    fresh:
        Begin the trainings anew instead of keeping what is finished.
    """

    train: bool = False
    only: list[str] | None = None
    scale: float = Field(default=1.0, gt=0, le=10)
    split: Literal["test", "validation"] = "test"
    fresh: bool = False


def _score_writes(_: Workspace, request: EvaluationRequest) -> list[str]:
    scores = f"standard/{request.run}" if request.model else f"runs/{request.run}"
    # The imagery is exported by whoever needs it first, so two of these wait for each other.
    return [scores, f"standard-{request.standard}"]


def _table_writes(_: Workspace, request: StandardRequest) -> list[str]:
    # The imagery and the names of the runs are the same for all of these, so they wait for each other.
    return ["standard", f"standard-{request.split}"]


KINDS: Final[dict[JobKind, Kind]] = {
    "evaluate": Kind(
        EvaluationRequest,
        "standard.evaluation:run_standard",
        target=lambda request: str(request.run),
        writes=_score_writes,
        reads=lambda workspace, request: dataset_of_run(workspace, request.run),
        resumes=False,
    ),
    "standard": Kind(
        StandardRequest,
        "standard.work:run_standard_table",
        target=lambda request: f"standard-{request.split}",
        writes=_table_writes,
        reads=lambda _, __: [],
    ),
}
"""Also those of older workspaces, whose jobs of these kinds the program itself did."""
