"""Search spaces and architectures as data; no torch."""

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
    "SearchSpace",
    "builtin_folder",
    "builtin_names",
    "register_spec",
]
