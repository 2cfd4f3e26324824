from __future__ import annotations

from pathlib import Path

import pytest

from nasearch.data import host


def machine(folder: Path, files: dict[str, str]) -> tuple[Path, Path, Path]:
    """A made-up machine: control groups, /proc and processors below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "cgroup", folder / "proc", folder / "cpu"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/a/b\n", "cgroup/a/b/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "cgroup/a/b/cpu.max": "400000 100000\n",
                "cgroup/a/cpu.max": "200000 100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "3:memory:/x\n2:cpu,cpuacct:/y\n",
                "cgroup/cpu/y/cpu.cfs_quota_us": "50000\n",
                "cgroup/cpu/y/cpu.cfs_period_us": "100000\n",
                "cgroup/memory/x/cpu.max": "10000 100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "2:cpu:/y\n",
                "cgroup/cpu/y/cpu.cfs_quota_us": "50000\n",
                "cgroup/cpu/y/cpu.cfs_period_us": "100000\n",
                "cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
    ],
    ids=["nothing said", "no limit", "version 2", "the parent's is less", "not the cpu group", "version 1"],
)
def test_quota(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    cgroups, proc, _ = machine(tmp_path, files)
    assert host.cpu_quota(cgroups, proc) == quota


@pytest.mark.parametrize(
    ("quota", "cores"), [("max", 2), ("100000", 1), ("150000", 2), ("900000", 2), ("20000", 1)]
)
def test_cores_are_counted_once_and_bounded_by_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    siblings = {
        f"cpu/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}\n" for cpu in range(4)
    }
    files = {**siblings, "proc/self/cgroup": "0::/\n", "cgroup/cpu.max": f"{quota} 100000\n"}
    monkeypatch.setattr(host, "usable_processors", lambda: {0, 1, 2, 3})
    assert host.physical_cores(*machine(tmp_path, files)) == cores


def test_cores_follow_the_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    assert host.physical_cores(*machine(tmp_path, {})) == 3


def test_free_memory_is_the_least_that_anybody_leaves(tmp_path: Path) -> None:
    cgroups, proc, _ = machine(tmp_path, {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   1000 kB\n"})
    assert host.free_memory_bytes(cgroups, proc) == 1_024_000
    machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a\n",
            "cgroup/a/memory.max": "500000\n",
            "cgroup/a/memory.current": "400000\n",
            "cgroup/a/memory.stat": "anon 1\ninactive_file 50000\n",
            "cgroup/memory.max": "max\n",
        },
    )
    assert host.free_memory_bytes(cgroups, proc) == 500_000 - 400_000 + 50_000


def test_free_memory_is_unknown_where_nobody_says(tmp_path: Path) -> None:
    assert host.free_memory_bytes(tmp_path, tmp_path) is None


def test_this_machine_has_a_core() -> None:
    assert 1 <= host.physical_cores() <= len(host.usable_processors())


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, None),
        ({"proc/vmstat": "pgfault 7\noom_kill 3\n"}, 3),
        (
            {
                "proc/vmstat": "oom_kill 9\n",
                "proc/self/cgroup": "0::/a\n",
                "cgroup/a/memory.events": "low 0\noom 4\noom_kill 2\n",
                "cgroup/memory.events": "oom_kill 5\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/x\n",
                "cgroup/memory/x/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
            },
            1,
        ),
    ],
    ids=["nothing said", "the machine", "version 2, the innermost", "version 1"],
)
def test_processes_killed_for_want_of_memory(
    tmp_path: Path, files: dict[str, str], kills: int | None
) -> None:
    cgroups, proc, _ = machine(tmp_path, files)
    assert host.oom_kills(cgroups, proc) == kills
