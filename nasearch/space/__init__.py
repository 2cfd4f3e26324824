"""Search spaces and architectures as data; no torch."""

from __future__ import annotations

from nasearch.space.architecture import Architecture, Block, Head
from nasearch.space.kinds import (
    ACTIVATIONS,
    ATTENTIONS,
    CELL_OPS,
    HEADS,
    KINDS,
    BlockSpec,
    HeadSpec,
    Option,
    Scalar,
    Value,
    register_spec,
)
from nasearch.space.space import SearchSpace, builtin_folder, builtin_names

__all__ = [
    "ACTIVATIONS",
    "ATTENTIONS",
    "CELL_OPS",
    "HEADS",
    "KINDS",
    "Architecture",
    "Block",
    "BlockSpec",
    "Head",
    "HeadSpec",
    "Option",
    "Scalar",
    "SearchSpace",
    "Value",
    "builtin_folder",
    "builtin_names",
    "register_spec",
]
