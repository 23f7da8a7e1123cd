"""``python -m nightlights``."""

import sys

from nightlights.cli import main

sys.exit(main())
