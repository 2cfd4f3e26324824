"""Memory that is freed between steps stays with the process while a network trains.

glibc hands blocks over a threshold back to the system as they are freed. A training step on a CPU frees and
asks again for the same activations, and the system clears every page of them anew.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: (1 << 31) - 1}
# glibc raises both by itself as large blocks are freed, up to these figures, unless they were ever set: what
# a process that has freed large blocks would be at. Its 128 KiB would make all large blocks slow afterwards.
_USUAL = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
# what glibc starts with: every large block goes back to the system as it is freed
_SHORT = {_MMAP_THRESHOLD: 128 << 10, _TRIM_THRESHOLD: 128 << 10}
_OTHERS = ("jemalloc", "tcmalloc", "mimalloc")

_lock = threading.Lock()
_users = 0


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory in this process until the outermost use ends, then give it back to the system.

    Nothing happens where the C library is not glibc, another allocator is preloaded, or glibc's is set up in
    the environment (MALLOC_*, GLIBC_TUNABLES).
    """
    global _users  # the allocator is the process's
    library = glibc()
    if library is None:
        yield
        return
    with _lock:
        _users += 1
        if _users == 1:
            _set(library, _KEPT)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set(library, _USUAL)
                library.malloc_trim(0)


def stop_keeping() -> None:
    """Give free memory back, now and for the rest of the outermost use: it does not suffice for keeping.

    Blocks that were kept are cut up by smaller ones, and no longer hold what they held.
    """
    library = glibc()
    if library is not None:
        _set(library, _SHORT)
        library.malloc_trim(0)


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        # versions that accept no more than 32 MiB for the first say so with 0
        if not library.mallopt(parameter, value) and parameter == _MMAP_THRESHOLD:
            library.mallopt(parameter, _USUAL[parameter])


@functools.cache
def glibc() -> ctypes.CDLL | None:
    """The C library, where its allocator is in use and nobody has set it up."""
    if not sys.platform.startswith("linux") or not is_untouched(os.environ):
        return None
    if platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def is_untouched(environment: os._Environ[str] | dict[str, str]) -> bool:
    """Whether an environment leaves the allocator as it comes."""
    return (
        not any(name.startswith("MALLOC_") for name in environment)
        and "glibc.malloc" not in environment.get("GLIBC_TUNABLES", "")
        and not any(other in environment.get("LD_PRELOAD", "") for other in _OTHERS)
    )
