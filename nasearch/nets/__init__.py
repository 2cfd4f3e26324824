"""Blocks, the table from kind to class, and the builder of networks."""

from __future__ import annotations

from nasearch.nets.blocks import BLOCKS, HEADS
from nasearch.nets.build import Network, Normalized, build
from nasearch.nets.maps import attention_maps
from nasearch.nets.registry import register_block
from nasearch.nets.sharing import Sharing
from nasearch.nets.supernet import Subnet, Supernet

__all__ = [
    "BLOCKS",
    "HEADS",
    "Network",
    "Normalized",
    "Sharing",
    "Subnet",
    "Supernet",
    "attention_maps",
    "build",
    "register_block",
]
