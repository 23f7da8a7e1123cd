"""Fixtures that more than one room uses."""

import os
from pathlib import Path

from earthengine_server.fixtures import earthengine_server

__all__ = ["earthengine_server"]

# Which models ship with the project must not decide what a test sees: there are none unless it makes them.
os.environ["NIGHTLIGHTS_MODELS"] = str(Path(__file__).parent / "no-models")
