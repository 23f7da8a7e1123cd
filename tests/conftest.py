"""Fixtures that more than one room uses."""

from earthengine_server.fixtures import earthengine_server

__all__ = ["earthengine_server"]
