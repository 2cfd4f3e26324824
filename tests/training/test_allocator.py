from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from nasearch.training import allocator
from nasearch.training.allocator import freed_memory_kept, is_untouched


class Library:
    """Counts what the C library is told."""

    def __init__(self, most: int = 1 << 40) -> None:
        self.most, self.trimmed = most, 0
        self.told: list[tuple[int, int]] = []

    def mallopt(self, parameter: int, value: int) -> int:
        self.told.append((parameter, value))
        return int(value <= self.most)

    def malloc_trim(self, padding: int) -> int:
        self.trimmed += 1
        return 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setattr(allocator, "glibc", lambda: library)
    return library


def test_the_outermost_use_alone_speaks_to_the_library(library: Library) -> None:
    with freed_memory_kept():
        with freed_memory_kept():
            assert library.told == [(-3, 1 << 30), (-1, (1 << 31) - 1)]
        assert library.trimmed == 0
        assert len(library.told) == 2
    assert library.told[2:] == [(-3, 32 << 20), (-1, 64 << 20)]
    assert library.trimmed == 1


def test_an_error_inside_puts_it_back_all_the_same(library: Library) -> None:
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
    assert library.trimmed == 1


def test_a_library_that_takes_no_gigabyte_is_told_its_most(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(most=32 << 20)
    monkeypatch.setattr(allocator, "glibc", lambda: library)
    with freed_memory_kept():
        assert (-3, 32 << 20) in library.told


def test_where_memory_is_short_nothing_is_kept_until_the_outermost_use_ends(library: Library) -> None:
    with freed_memory_kept(), freed_memory_kept():
        allocator.stop_keeping()
        assert (library.told[-2:], library.trimmed) == ([(-3, 128 << 10), (-1, 128 << 10)], 1)
        told = len(library.told)
        with freed_memory_kept():
            assert len(library.told) == told
    with freed_memory_kept():
        assert library.told[-2:] == [(-3, 1 << 30), (-1, (1 << 31) - 1)]


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "glibc", lambda: None)
    with freed_memory_kept():
        allocator.stop_keeping()


@pytest.mark.parametrize(
    ("environment", "untouched"),
    [
        ({"HOME": "/x", "LD_PRELOAD": "/usr/lib/libfoo.so"}, True),
        ({"MALLOC_TRIM_THRESHOLD_": "1"}, False),
        ({"MALLOC_ARENA_MAX": "2"}, False),
        ({"GLIBC_TUNABLES": "glibc.malloc.check=3"}, False),
        ({"GLIBC_TUNABLES": "glibc.cpu.x86_ibt=on"}, True),
        ({"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"}, False),
        ({"LD_PRELOAD": "libtcmalloc_minimal.so.4"}, False),
    ],
)
def test_an_allocator_that_is_set_up_is_left_alone(environment: dict[str, Any], untouched: bool) -> None:
    assert is_untouched(environment) is untouched


@pytest.mark.skipif(allocator.glibc() is None, reason="needs glibc's own allocator")
def test_freed_blocks_stay_and_are_given_back_at_the_end() -> None:
    """In a process of its own: resident memory after 60 blocks of 1 MB were freed, inside and afterwards."""
    script = """
        import ctypes, resource, runpy, sys
        freed_memory_kept = runpy.run_path(sys.argv[1])["freed_memory_kept"]  # without torch: in no time

        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * resource.getpagesize() / 1e6

        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]

        def use():
            blocks = [libc.malloc(1_000_000) for _ in range(60)]
            for block in blocks:
                ctypes.memset(block, 1, 1_000_000)
            for block in blocks:
                libc.free(block)

        before = resident()
        with freed_memory_kept():
            use()
            inside = resident()
        print(inside - before > 50, resident() - before < 10)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), allocator.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["True", "True"]
