"""Who this process is, and whether another one still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Life = Literal["alive", "dead", "unknown"]
_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process as others may look for it.

    Attributes:
        place: boot and process namespace within which the pid means something; empty where the
            system does not tell.
        began: start time in the kernel's ticks, so that a pid given out again is not mistaken for
            the process that had it before; empty where the system does not tell.
    """

    host: str
    pid: int
    place: str
    began: str


def this_process() -> ProcessIdentity:
    """The identity of the calling process."""
    pid = os.getpid()
    return ProcessIdentity(socket.gethostname(), pid, _place(), _stat(pid)[1])


def life(other: ProcessIdentity) -> Life:
    """Whether a process lives; `unknown` for one of another host, container or boot."""
    if (other.host, other.place) != (socket.gethostname(), _place()):
        return "unknown"
    state, began = _stat(other.pid)
    if state:
        same = not other.began or began == other.began
        return "alive" if same and state not in "ZX" else "dead"  # a zombie works no more
    if os.name == "nt":  # there os.kill(pid, 0) is no question but a Ctrl-C
        return "unknown"
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return "dead"
    except PermissionError:
        return "alive"
    return "alive"


def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, str]:
    """State letter and start time of a process; empty where the system does not tell."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return fields[0], fields[19]
