"""The supernet: one network that holds the weights of a whole space."""

from __future__ import annotations

from nasearch.nets.supernet.subnet import Subnet
from nasearch.nets.supernet.supernet import Supernet

__all__ = ["Subnet", "Supernet"]
