"""Which device is meant, and what it is."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from nasearch.errors import DeviceError


def resolve_device(name: str = "auto") -> str:
    """The torch device that a name stands for: `cpu`, `cuda:0`, `mps`, ...

    `auto` is the first CUDA device, else Apple's GPU, else the processor; `cuda` is `cuda:0`.

    Raises:
        DeviceError: if there is no such device here.
    """
    here = available_devices()
    if name == "auto":
        return next((device for device in here if device != "cpu"), "cpu")
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in here:
        raise DeviceError(f"device {name!r} is not here; expected one of auto, {', '.join(here)}")
    return wanted


def available_devices() -> tuple[str, ...]:
    """All devices that can compute here, the processor first."""
    cuda = tuple(f"cuda:{i}" for i in range(torch.cuda.device_count())) if torch.cuda.is_available() else ()
    mps = ("mps",) if torch.backends.mps.is_available() else ()
    return ("cpu", *cuda, *mps)


def describe_device(device: str = "cpu") -> dict[str, str | int]:
    """What a measurement should say about where it was taken.

    Returns:
        kind (`cpu`, `cuda`, `mps`), name (the maker's), threads (torch's on the processor), torch
        and python (versions), system; on CUDA also cuda (version) and memory_bytes.

    Raises:
        DeviceError: if there is no such device here.
    """
    resolved = resolve_device(device)
    kind = torch.device(resolved).type
    about: dict[str, str | int] = {
        "kind": kind,
        "name": _processor(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if kind == "cuda":
        properties = torch.cuda.get_device_properties(resolved)
        about["name"] = properties.name
        about["memory_bytes"] = properties.total_memory
        about["cuda"] = str(torch.version.cuda or torch.version.hip)
    elif kind == "mps":
        about["name"] = f"{_processor()} GPU"
    return about


def _processor() -> str:
    """The processor's name as its maker gives it, or its architecture where nothing says more."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", listing.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine() or "unknown processor"
