"""Fixtures for tests that talk to the server; ``tests/conftest.py`` brings them in."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .server import EarthEngineServer


@pytest.fixture
def earthengine_server(monkeypatch: pytest.MonkeyPatch) -> "Iterator[EarthEngineServer]":
    """A server of its own, with the variables set that make the app and the command line use it."""
    from .server import EarthEngineServer

    with EarthEngineServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
