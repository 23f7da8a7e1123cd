"""Fixtures that more than one room uses, and which tests CI may repeat."""

import os
from pathlib import Path

import pytest
from earthengine_server.fixtures import earthengine_server
from hypothesis import settings

# The same examples in every run: a test that fails once in a hundred runs tells nobody what broke it.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

__all__ = ["earthengine_server"]

# Which models ship with the project must not decide what a test sees: there are none unless it makes them.
os.environ["NIGHTLIGHTS_MODELS"] = str(Path(__file__).parent / "no-models")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI, repeat a browser test that fails, once: a busy machine can starve a real browser."""
    if os.environ.get("CI"):
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that passed only when repeated, with their first failure."""
    passed = {report.nodeid for report in terminalreporter.getreports("passed")}
    flaky = [report for report in terminalreporter.getreports("rerun") if report.nodeid in passed]
    if flaky:
        terminalreporter.section("flaky tests: failed once, passed when repeated")
    for report in flaky:
        terminalreporter.line(report.longreprtext)
        terminalreporter.line(f"FLAKY {report.nodeid}")
