"""The process behind a background job: ``python -m nightlights.worker WORKSPACE JOB``."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nightlights.errors import JobError, NightlightsError, WorkspaceError
from nightlights.jobs.kinds import KINDS_REFERENCE, load_reference
from nightlights.jobs.perform import perform
from nightlights.jobs.records import JobFiles, JobRecord, ProcessRecord
from nightlights.manifests import read_record, write_record
from nightlights.workspace import Workspace

NICENESS = 5
"""Background work yields to the pages."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; 0 when done, 1 when it did not succeed, 2 when it could not begin."""
    parser = argparse.ArgumentParser(description="Run one background job.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("job")
    parser.add_argument("--kinds", default=KINDS_REFERENCE, help="registry of the kinds of jobs")
    parser.add_argument("--lock", type=int, help="descriptor of the job's lock, which the parent has taken")
    options = parser.parse_args(arguments)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.ExitStack() as held:
        try:
            workspace = Workspace(options.workspace.resolve())
            files = JobFiles(workspace.job_folder(options.job))
            if options.lock is None:
                held.enter_context(files.locked())
            else:
                # Processes that the work starts must not keep it when this one has died.
                os.set_inheritable(options.lock, False)
            write_record(files.process, ProcessRecord.of(os.getpid(), leads_session=True))
            kind = load_reference(options.kinds)[read_record(files.job, JobRecord).kind]
        except (WorkspaceError, JobError) as error:
            print(error, file=sys.stderr)
            return 2
        try:
            perform(workspace, files, kind)
        except NightlightsError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
