"""TensorFlow's hints are kept back, errors are not, and a person's own variable decides."""

import os
import subprocess
import sys

import pytest

HINTS = ("InitializeLog", "cpu_feature_guard", "cudart_stub", "To enable the following", "cuInit")
QUIET = "from nightlights.tensorflow_start import without_lines\nimport os, sys\n"


def printed(code: str, **variables: str) -> tuple[int, str]:
    """Exit code and standard error of Python code in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True, timeout=120
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(("variables", "quiet"), [({}, True), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, False)])
def test_hints_are_shown_to_those_alone_who_ask_for_them(variables: dict[str, str], quiet: bool) -> None:
    # Without a driver, as on most machines: elsewhere it is no hint that a GPU cannot be used.
    code = (
        "import shutil; shutil.which = lambda *_, **__: None\n"
        "from nightlights.training.backend import prepare\nprepare()"
    )
    status, said = printed(code, CUDA_VISIBLE_DEVICES="", **variables)
    assert status == 0
    assert any(hint in said for hint in HINTS) != quiet


def test_other_lines_come_through_in_order_and_after_it_everything_does() -> None:
    code = QUIET + (
        "with without_lines(['hint']):\n"
        "    os.write(2, b'first\\na hint\\nsecond\\n'); print('third', file=sys.stderr)\n"
        "os.write(2, b'no hint any more\\n')"
    )
    assert printed(code) == (0, "first\nsecond\nthird\nno hint any more\n")


def test_the_last_words_of_a_process_that_crashes_come_through() -> None:
    code = QUIET + "with without_lines(['hint']):\n    os.write(2, b'hint\\nno AVX here\\n'); os.abort()"
    status, said = printed(code)
    assert status < 0
    assert said.startswith("no AVX here\n")


def test_errors_inside_stay_errors() -> None:
    code = QUIET + "with without_lines(['hint']):\n    raise ValueError('broken')"
    status, said = printed(code)
    assert status == 1
    assert "ValueError: broken" in said
