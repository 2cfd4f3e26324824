"""What this process may use of the machine: processor cores and memory, inside containers too."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
CPUS = Path("/sys/devices/system/cpu")


def physical_cores(cgroups: Path = CGROUPS, proc: Path = PROC, cpus: Path = CPUS) -> int:
    """Cores that this process may keep busy: its affinity, hyper-threads counted once, its quota rounded up.

    At least 1. Rounded up, because a quota is a mean: two workers on 1.5 cores are busier than one.
    """
    cores = len({_siblings(cpus, cpu) for cpu in usable_processors()})
    quota = cpu_quota(cgroups, proc)
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def usable_processors() -> set[int]:
    """Processors, hyper-threads among them, that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _siblings(cpus: Path, cpu: int) -> str:
    """The hyper-threads of a core as Linux lists them, or the processor itself where nothing is said."""
    try:
        return (cpus / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)


def cpu_quota(cgroups: Path = CGROUPS, proc: Path = PROC) -> float | None:
    """Processors' worth of time that control groups leave this process, the least of all; None: no limit."""
    quotas = []
    for folder in _folders(cgroups, proc, "cpu"):
        # the second version keeps "QUOTA PERIOD" or "max PERIOD" in one file, the first a file for each
        words = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def free_memory_bytes(cgroups: Path = CGROUPS, proc: Path = PROC) -> int | None:
    """Memory that can still be taken without swapping: the machine's, or less in a control group.

    None where neither says (outside Linux).
    """
    free = []
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            free.append(1024 * int(line.split()[1]))
    for folder in _folders(cgroups, proc, "memory"):
        for most, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, taken = _words(folder / most), _words(folder / used)
            if limit and taken and limit[0].isdigit() and taken[0].isdigit():
                free.append(max(0, int(limit[0]) - int(taken[0]) + _file_cache(folder)))
    return min(free, default=None)


def oom_kills(cgroups: Path = CGROUPS, proc: Path = PROC) -> int | None:
    """Processes that the system has killed for want of memory: in the control group, or of the machine.

    None where neither says (outside Linux).
    """
    files = [
        folder / name
        for folder in _folders(cgroups, proc, "memory")
        for name in ("memory.events", "memory.oom_control")  # of the second version and the first
    ]
    for file in [*files, proc / "vmstat"]:
        for line in _lines(file):
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def _file_cache(folder: Path) -> int:
    """Bytes of a group's memory that hold files, and are given up when memory is short."""
    for line in _lines(folder / "memory.stat"):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _folders(cgroups: Path, proc: Path, controller: str) -> list[Path]:
    """Folders of the control groups that this process is in, innermost first, of both versions."""
    folders: list[Path] = []
    for line in _lines(proc / "self" / "cgroup"):
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        base = cgroups / controller if names else cgroups
        group = base / path.strip("/")
        folders.extend([group, *(parent for parent in group.parents if parent.is_relative_to(base))])
    return folders


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux, or a limit that is not set
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
