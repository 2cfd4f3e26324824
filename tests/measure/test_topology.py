"""Depths, paths and receptive fields, against published figures and a walk over every path."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
import torchvision
from torch import Tensor, nn

import nasearch as nas
from nasearch.space import SearchSpace

EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")


@pytest.mark.parametrize(
    ("name", "depth", "spatial_depth", "shortest", "paths", "receptive_field"),
    [
        # depths are in the names; 2^blocks paths: Veit et al. 2016; fields: Araujo et al. 2019, table 1
        ("resnet18", 18, 17, 5, 2**8, 435),
        ("resnet101", 101, 34, 6, 2**33, None),
        ("vgg16", 16, 13, 16, 1, 212),
        ("alexnet", 8, 5, 8, 1, 195),
        ("googlenet", 22, None, None, None, None),  # "22 layers deep", Szegedy et al. 2015
        ("mobilenet_v2", 53, None, None, 2**10, None),  # ten blocks have a shortcut
    ],
)
def test_published_networks(
    name: str,
    depth: int,
    spatial_depth: int | None,
    shortest: int | None,
    paths: int | None,
    receptive_field: int | None,
) -> None:
    given = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(**given)
    found = nas.measure_topology(model, (3, 224, 224))
    assert found.depth == depth
    for value, expected in (
        (found.spatial_depth, spatial_depth),
        (found.shortest, shortest),
        (found.paths, paths),
        (found.receptive_field, receptive_field),
    ):
        assert expected is None or value == expected


def all_paths(ops: dict[str, str]) -> Iterator[list[str]]:
    """The operations along every path of a cell from node 0 to node 3."""
    for way in (["0-3"], ["0-1", "1-3"], ["0-2", "2-3"], ["0-1", "1-2", "2-3"]):
        if all(ops[edge] != "none" for edge in way):
            yield [ops[edge] for edge in way]


def test_cells_against_every_path() -> None:
    space = SearchSpace.load("nasbench201")
    connected = 0
    for seed in range(120):
        architecture = space.sample(seed=seed)
        ops = {name.removeprefix("edge"): str(op) for name, op in architecture.decisions}
        ways = list(all_paths(ops))
        found = nas.architecture_topology(architecture)
        if not ways:
            assert (found.is_connected, found.traits) == (False, (0, 0, 0, 0, 0, 0))
            continue
        assert found.is_connected
        connected += 1
        convs = [sum(op.startswith("nor_conv") for op in way) for way in ways]
        wide = [sum(op == "nor_conv_3x3" for op in way) for way in ways]
        other = [sum(op != "skip_connect" for op in way) for way in ways]
        # 15 cells; around them the stem, two reductions (two convolutions, or a pooling and one) and the head
        assert found.depth == 15 * max(convs) + 1 + 2 * 2 + 1
        assert found.spatial_depth == 15 * max(wide) + 1 + 2 * 2
        assert found.shortest == 15 * min(convs) + 1 + 2 + 1
        assert found.plainest >= 15 * min(other) + 1 + 2 * 2 + 1
        assert found.paths == pytest.approx(len(ways) ** 15 * 2 * 2)
    assert 0 < connected < 120


@pytest.mark.parametrize(
    "name", ["tiny", "chain", "mobile", "nasbench201", "nasbench_macro", "darts", "resnet", "micro", "hybrid"]
)
def test_put_together_as_run(name: str) -> None:
    space = SearchSpace.load(name)
    for seed in range(2):
        architecture = space.sample(seed=seed)
        model = nas.build(architecture, num_classes=10)
        assert nas.architecture_topology(architecture) == nas.measure_topology(model)


def test_traits_join_topology_and_costs() -> None:
    architecture = SearchSpace.load("tiny").sample(seed=0)
    cost = nas.architecture_cost(architecture, (1, 28, 28), 10)
    topology = nas.architecture_topology(architecture, (1, 28, 28), 10)
    found = nas.architecture_traits(architecture, (1, 28, 28), 10, without=["macs"])
    costs = (math.log2(cost.params), math.log2(cost.peak_activation_bytes))
    assert found == (*topology.traits, *costs)
    with pytest.raises(nas.NasearchError, match="without has 'mac'; expected some of params, macs, peak_act"):
        nas.architecture_traits(architecture, without=["mac"])


class Silent(nn.Module):
    """Gives the same whatever it is given."""

    def __init__(self, keeps: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.keeps = keeps

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3))
        out: Tensor = self.layer(torch.zeros_like(pooled))
        return out + self.layer(pooled) if self.keeps else out


def test_what_does_not_depend_on_the_image() -> None:
    assert not nas.measure_topology(Silent(False), (4, 8, 8)).is_connected
    found = nas.measure_topology(Silent(True), (4, 8, 8))
    assert (found.depth, found.paths) == (1, 1)


def test_a_shortcut_beside_a_strided_window() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide = nn.Conv2d(3, 4, 5, stride=2, padding=2)
            self.after = nn.Conv2d(4, 4, 3, dilation=2, padding=2)
            self.pool = nn.MaxPool2d(3, 2, 1)
            self.short = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.after(self.wide(x)) + self.short(self.pool(x))
            return out

    found = nas.measure_topology(Two(), (3, 16, 16))
    # 5 pixels, then two more of the map of stride 2 on each side, each 2 pixels apart
    assert found == nas.Topology(2, 2, 1, 2, 2.0, 5 + 2 * (3 - 1) * 2)
    assert found.traits[4] == math.log2(2)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool3d(2), nn.AvgPool3d(2), nn.MaxPool3d(2)])
def test_volumes_have_a_topology_too(pool: nn.Module) -> None:
    found = nas.measure_topology(nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), pool), (1, 4, 4, 4))
    # 3 pixels by the convolution, and one more by a window of 2
    assert (found.depth, found.plainest, found.receptive_field) == (1, 2, 4)
