"""Background jobs: export, training, evaluation and prediction as processes of their own."""

from nightlights.jobs.kinds import KINDS, EvaluationRequest, Kind
from nightlights.jobs.records import Job
from nightlights.jobs.store import JobStore

__all__ = ["KINDS", "EvaluationRequest", "Job", "JobStore", "Kind"]
