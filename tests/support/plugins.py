"""Blocks of a test's own, taken back when the test ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nasearch.space import KINDS, plugins

STAR = '''
import nasearch as nas
from nasearch.nets.layers import ConvNorm
from torch import nn


class Star(nn.Module):
    """Two projections of one map, multiplied."""

    def __init__(self, in_channels, channels, stride=1, *, expand=3):
        super().__init__()
        self.gate = ConvNorm(in_channels, channels * expand, 3, stride, activation="relu6")
        self.value = ConvNorm(in_channels, channels * expand, 3, stride, activation="none")
        self.narrow = ConvNorm(channels * expand, channels, 1, activation="none")

    def forward(self, x):
        return self.narrow(self.gate(x) * self.value(x))

    def note(self, height, width):
        return f"multiplies {height}x{width}" if height > 8 else ""


nas.register_block(
    nas.BlockSpec(
        "star",
        {"expand": nas.Option(3, "hidden width over the block's", low=1, high=8)},
        "two projections of one map, multiplied (StarNet)",
        attention=False,
    ),
    Star,
)
'''
SPACE = """
name: starry
stem: {kind: conv, channels: 4, stride: 2}
stages:
  - {channels: 4, stride: 2, block: {kind: star, expand: [1, 2]}}
"""


@contextmanager
def plugins_forgotten() -> Iterator[None]:
    """What is registered and loaded meanwhile is not there afterwards."""
    from nasearch.measure import pieces
    from nasearch.nets.blocks import BLOCKS

    tables: list[dict[str, object]] = [KINDS, BLOCKS, plugins._files, plugins._origins, sys.modules]  # type: ignore[list-item]
    before = [dict(table) for table in tables]
    points, path = set(plugins._points), list(sys.path)
    yield
    for table, kept in zip(tables, before, strict=True):
        for name in set(table) - set(kept):
            # Libraries that were first needed meanwhile stay: they cannot be imported twice.
            if table is not sys.modules or _is_of_a_test(table[name], path):
                del table[name]
    plugins._points.intersection_update(points)
    plugins._looked_at = ()
    sys.path[:] = path
    pieces._block_piece.cache_clear()  # the next block of the same name may be another


def _is_of_a_test(module: object, path: list[str]) -> bool:
    """Whether a module was found where only the test looked for it."""
    file = str(getattr(module, "__file__", None) or "")
    return "pytest" in file and not any(file.startswith(folder) for folder in path if folder)
