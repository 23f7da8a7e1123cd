"""``./run bench standard``."""

import sys

from nightlights.cli import run
from standard.cli import app

PROGRAM = "./run bench standard"

if __name__ == "__main__":
    sys.exit(run(app, PROGRAM))
