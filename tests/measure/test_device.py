"""Device names and descriptions."""

from __future__ import annotations

import platform

import pytest
import torch

from nasearch.errors import DeviceError
from nasearch.measure import available_devices, describe_device, resolve_device
from nasearch.measure import device as device_module


def test_the_processor_is_always_here() -> None:
    assert available_devices()[0] == "cpu"
    assert resolve_device("cpu") == "cpu"


def test_auto_prefers_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "available_devices", lambda: ("cpu", "cuda:0", "cuda:1"))
    assert resolve_device("auto") == "cuda:0"
    assert resolve_device("cuda") == "cuda:0"
    assert resolve_device("cuda:1") == "cuda:1"
    monkeypatch.setattr(device_module, "available_devices", lambda: ("cpu", "mps"))
    assert resolve_device("auto") == "mps"
    monkeypatch.setattr(device_module, "available_devices", lambda: ("cpu",))
    assert resolve_device("auto") == "cpu"


@pytest.mark.parametrize("name", ["cuda:9", "cuda", "gpu", "", "cpu:x"])
def test_a_device_that_is_not_here_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "available_devices", lambda: ("cpu",))
    with pytest.raises(DeviceError, match=f"^device '{name}' is not here; expected one of auto, cpu$"):
        resolve_device(name)


def test_description_names_processor_and_versions() -> None:
    about = describe_device("cpu")
    assert about["kind"] == "cpu"
    assert about["name"]
    assert about["threads"] == torch.get_num_threads()
    assert about["torch"] == torch.__version__
    assert about["python"] == platform.python_version()


def test_description_of_a_missing_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="device 'cuda:99' is not here; expected one of auto, cpu"):
        describe_device("cuda:99")
