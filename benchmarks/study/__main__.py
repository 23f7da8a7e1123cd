"""``./run bench study``."""

import sys

from nightlights.cli import run
from study.cli import app

PROGRAM = "./run bench study"

if __name__ == "__main__":
    sys.exit(run(app, PROGRAM))
