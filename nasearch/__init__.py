"""nasearch: search for a neural network that fits your data, device and limits, and get it trained.

    space = nas.SearchSpace.load("mobile")
    study = nas.Study.create("digits", space=space, data="fashion-mnist-12k", limits=["params <= 200k"])
    study.run(budget=50)
    model = study.finish()
    study.export("out/")

Names are imported on first use, so that `import nasearch` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasearch import data, measure, pareto, samplers
    from nasearch.errors import NasearchError
    from nasearch.measure import (
        Cost,
        Latency,
        Topology,
        architecture_cost,
        architecture_topology,
        architecture_traits,
        check_space,
        measure_cost,
        measure_latency,
        measure_topology,
    )
    from nasearch.measure.blocks import block_table
    from nasearch.measure.table import Table, load_table
    from nasearch.measure.zero_cost import zero_cost_scores
    from nasearch.nets import Sharing, Subnet, Supernet, attention_maps, build, register_block
    from nasearch.space import Architecture, Block, BlockSpec, Head, Option, SearchSpace
    from nasearch.space.plugins import load_plugins
    from nasearch.study import Progress, Study, StudySettings
    from nasearch.study.comparison import compare
    from nasearch.study.tabular_bench import bench_table
    from nasearch.training import inherited_accuracy, train_supernet

try:
    __version__ = version("nasearch")
except PackageNotFoundError:  # a checkout on the path that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "NasearchError": "errors",
    "Cost": "measure",
    "Latency": "measure",
    "Topology": "measure",
    "architecture_cost": "measure",
    "architecture_topology": "measure",
    "architecture_traits": "measure",
    "measure_topology": "measure",
    "measure_cost": "measure",
    "block_table": "measure.blocks",
    "Table": "measure.table",
    "load_table": "measure.table",
    "measure_latency": "measure",
    "zero_cost_scores": "measure.zero_cost",
    "check_space": "measure",
    "Sharing": "nets",
    "Subnet": "nets",
    "Supernet": "nets",
    "attention_maps": "nets",
    "build": "nets",
    "register_block": "nets",
    "Architecture": "space",
    "Block": "space",
    "BlockSpec": "space",
    "Head": "space",
    "Option": "space",
    "SearchSpace": "space",
    "load_plugins": "space.plugins",
    "Progress": "study",
    "Study": "study",
    "compare": "study.comparison",
    "bench_table": "study.tabular_bench",
    "StudySettings": "study",
    "inherited_accuracy": "training",
    "train_supernet": "training",
}
_MODULES = ("data", "measure", "pareto", "samplers")


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


__all__ = [
    "Architecture",
    "Block",
    "BlockSpec",
    "Cost",
    "Head",
    "Latency",
    "NasearchError",
    "Option",
    "Progress",
    "SearchSpace",
    "Sharing",
    "Study",
    "StudySettings",
    "Subnet",
    "Supernet",
    "Table",
    "Topology",
    "architecture_cost",
    "architecture_topology",
    "architecture_traits",
    "attention_maps",
    "bench_table",
    "block_table",
    "build",
    "check_space",
    "compare",
    "data",
    "inherited_accuracy",
    "load_plugins",
    "load_table",
    "measure",
    "measure_cost",
    "measure_latency",
    "measure_topology",
    "pareto",
    "register_block",
    "samplers",
    "train_supernet",
    "zero_cost_scores",
]
