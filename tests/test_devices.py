"""The device in words, without a deep learning library."""

import platform
import subprocess
import sys
from collections.abc import Sequence

import pytest

from nightlights.devices import describe

LISTING = "0, GPU-aaaa, NVIDIA RTX A6000, 49140\n1, GPU-bbbb, NVIDIA T4, 15360\n"


def listing(command: Sequence[str]) -> str:
    assert command[0] == "nvidia-smi"
    return LISTING


def test_the_first_gpu_is_named_with_its_memory() -> None:
    device = describe({}, listing, lambda: True)
    assert (device.kind, device.name, device.memory_bytes) == ("GPU", "NVIDIA RTX A6000", 49140 * 2**20)
    assert device.note == ""


@pytest.mark.parametrize("choice", ["1", "1,0", "GPU-bb", " 1 ,7"])
def test_the_visible_gpu_is_chosen(choice: str) -> None:
    assert describe({"CUDA_VISIBLE_DEVICES": choice}, listing, lambda: True).name == "NVIDIA T4"


@pytest.mark.parametrize("choice", ["", "-1", "7,0"])
def test_a_hidden_gpu_is_not_used_and_the_note_says_why(choice: str) -> None:
    device = describe({"CUDA_VISIBLE_DEVICES": choice}, listing, lambda: True)
    assert device.kind == "CPU"
    assert "hidden by CUDA_VISIBLE_DEVICES" in device.note


def test_a_gpu_without_cuda_libraries_is_not_used_and_the_note_says_what_to_install() -> None:
    device = describe({}, listing, lambda: False)
    assert device.kind == "CPU"
    assert "tensorflow[and-cuda]" in device.note


def test_without_a_gpu_the_cpu_has_a_name_and_memory() -> None:
    device = describe({}, lambda command: None, lambda: True)
    assert device.kind == "CPU"
    assert "core" in device.name
    assert device.memory_bytes > 2**28
    assert device.note == ""


def test_on_macos_the_cpu_has_the_name_that_apple_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    device = describe({}, lambda command: "Apple M3 Pro\n" if command[0] == "sysctl" else None)
    assert device.name.startswith("Apple M3 Pro (")


def test_a_broken_listing_is_no_gpu() -> None:
    assert describe({}, lambda command: "NVIDIA-SMI has failed\n", lambda: True).kind == "CPU"


def test_describing_the_device_imports_no_deep_learning_library() -> None:
    code = "import sys; from nightlights.devices import describe; describe(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"tensorflow", "keras", "torch", "jax"} & set(done.stdout.split())
