"""What a network costs: parameters, MACs, memory and time, on a named device."""

from __future__ import annotations

from nasearch.measure.cost import BlockCost, Cost, architecture_cost, block_costs, measure_cost
from nasearch.measure.device import available_devices, describe_device, resolve_device
from nasearch.measure.extremes import Extreme, cheapest, dearest
from nasearch.measure.latency import Latency, measure_latency, timed_by
from nasearch.measure.space_check import SpaceCheck, check_space
from nasearch.measure.topology import Topology, architecture_topology, measure_topology
from nasearch.measure.traits import architecture_traits

__all__ = [
    "BlockCost",
    "Cost",
    "Extreme",
    "Latency",
    "SpaceCheck",
    "Topology",
    "architecture_cost",
    "architecture_topology",
    "architecture_traits",
    "available_devices",
    "block_costs",
    "cheapest",
    "check_space",
    "dearest",
    "describe_device",
    "measure_cost",
    "measure_latency",
    "measure_topology",
    "resolve_device",
    "timed_by",
]
