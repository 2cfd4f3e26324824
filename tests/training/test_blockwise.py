"""What the blocks of a network learn from those of the largest one."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

import nasearch as nas
from nasearch.space import Scalar
from nasearch.space.space import builtin_names
from nasearch.training.blockwise import Teacher
from nasearch.training.evaluate import settle

SPACE = """
stem: {kind: conv, channels: [8, 16]}
stages:
  - channels: [8, 16]
    depth: [1, 2, 3]
    block: {one_of: [{kind: conv, kernel: [1, 3]}, {kind: mbconv, expand: 2}]}
  - channels: 16
    stride: [1, 2]
    depth: [1, 2]
    block: {kind: conv, kernel: 3}
head: {kind: linear}
"""
IMAGES = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Coin(random.Random):
    """Comes down on the same side always."""

    def __init__(self, helped: bool) -> None:
        super().__init__()
        self._value = 0.0 if helped else 1.0

    def random(self) -> float:
        return self._value


HELPED, ALONE = Coin(True), Coin(False)


@pytest.fixture
def space() -> nas.SearchSpace:
    return nas.SearchSpace.parse(SPACE)


@pytest.fixture
def supernet(space: nas.SearchSpace) -> nas.Supernet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nas.Supernet(space, num_classes=3, in_channels=1)


def network(space: nas.SearchSpace, **chosen: Scalar) -> nas.Architecture:
    """One of the space: the last value of each choice that is not given; `__` stands for a dot."""
    wanted = {name.replace("__", "."): value for name, value in chosen.items()}
    return space.propose(lambda name, values: wanted.get(name, list(values)[-1]))


def teacher_of(supernet: nas.Supernet) -> Teacher:
    largest = network(supernet.space, stage2__stride=1)
    return Teacher(settle(supernet.extract(largest), [IMAGES]))


def watched(subnet: nas.Subnet) -> tuple[list[tuple[Tensor, ...]], list[Tensor]]:
    """What each block reads and what it makes, in the next forward pass."""
    read: list[tuple[Tensor, ...]] = []
    made: list[Tensor] = []

    def note(_: nn.Module, found: tuple[Tensor, ...], given: Tensor) -> None:
        read.append(found)
        made.append(given)

    for part in (*subnet.network.blocks, subnet.network.head):
        part.register_forward_hook(note)
    return read, made


def log_difference(own: Tensor, wanted: Tensor) -> float:
    return (1 + ((own - wanted) ** 2).mean() / wanted.var()).log().item()


def divergence(own: Tensor, wanted: Tensor) -> float:
    """Kullback-Leibler, the mean over images."""
    said = wanted.softmax(1)
    return (said * (said.log() - own.softmax(1).log())).sum(1).mean().item()


def test_the_end_of_a_stage_learns_what_the_whole_stage_gives(supernet: nas.Supernet) -> None:
    """The teacher: stem, stage1 of three blocks, stage2 of two: outputs 0, 1 2 3, 4 5."""
    teacher = teacher_of(supernet)
    for depths, wanted in (((3, 2), [0, 1, 2, 3, 4, 5]), ((2, 1), [0, 1, 3, 5]), ((1, 2), [0, 3, 4, 5])):
        first, second = depths
        assert teacher.matches(network(supernet.space, stage1__depth=first, stage2__depth=second)) == wanted


def test_where_the_teacher_has_no_such_block_nothing_is_learnt(supernet: nas.Supernet) -> None:
    shallow = network(supernet.space, stage1__depth=1, stage2__depth=1, stage2__stride=1)
    teacher = Teacher(settle(supernet.extract(shallow), [IMAGES]))
    deep = network(supernet.space, stage1__depth=3, stage2__depth=1, stage2__stride=1)
    assert teacher.matches(deep) == [0, 1, None, 1, 2]
    lesson = teacher.lesson(IMAGES)
    subnet = supernet.subnet(deep).train()
    _, made = watched(subnet)
    total = teacher.loss(subnet, IMAGES, lesson, HELPED).item()
    terms = {0: 0, 1: 1, 3: 1, 4: 2}
    wanted = sum(log_difference(made[own], lesson.maps[match]) for own, match in terms.items())
    assert total == pytest.approx(wanted + divergence(made[-1], lesson.logits), rel=1e-5)


def test_the_teacher_itself_has_nothing_to_learn(supernet: nas.Supernet) -> None:
    """Its batch norms took the statistics of the same images, with n - 1 in the place of n."""
    teacher = teacher_of(supernet)
    lesson = teacher.lesson(IMAGES)
    itself = network(supernet.space, stage2__stride=1)
    assert teacher.loss(supernet.subnet(itself).train(), IMAGES, lesson, HELPED).item() < 1e-3
    for other in ({"stage1__block2__kind": "conv"}, {"stage1__depth": 1}):
        subnet = supernet.subnet(network(supernet.space, stage2__stride=1, **other)).train()
        assert teacher.loss(subnet, IMAGES, lesson, HELPED).item() > 0.1


def test_a_narrower_and_smaller_network_is_compared_with_the_first_channels_and_pooled(
    supernet: nas.Supernet,
) -> None:
    """A stem of 8 channels is the first half of one of 16: no difference there."""
    teacher = teacher_of(supernet)
    lesson = teacher.lesson(IMAGES)
    chosen = {"stem__channels": 8, "stage1__channels": 8, "stage2__stride": 2}
    subnet = supernet.subnet(network(supernet.space, **chosen)).train()
    read, made = watched(subnet)
    assert bool(teacher.loss(subnet, IMAGES, lesson, HELPED).isfinite())
    assert torch.allclose(made[0], lesson.maps[0][:, :8], atol=0.1)
    assert torch.equal(read[1][0], lesson.maps[0][:, :8])
    assert torch.equal(read[4][0], lesson.maps[3][:, :8])
    assert made[4].shape[2:] == (4, 4)
    assert torch.equal(read[5][0], torch.nn.functional.avg_pool2d(lesson.maps[4], 2))


def test_blocks_without_help_read_what_the_network_gives(supernet: nas.Supernet) -> None:
    teacher = teacher_of(supernet)
    subnet = supernet.subnet(network(supernet.space)).train()
    read, made = watched(subnet)
    teacher.loss(subnet, IMAGES, teacher.lesson(IMAGES), ALONE)
    assert all(torch.equal(found[0], given) for found, given in zip(read[1:], made[:-1], strict=True))


def test_the_loss_is_that_of_the_blocks_and_the_head(supernet: nas.Supernet) -> None:
    """A network that is the teacher but for the stride of its last stage."""
    teacher = teacher_of(supernet)
    lesson = teacher.lesson(IMAGES)
    subnet = supernet.subnet(network(supernet.space, stage2__stride=2)).train()
    _, made = watched(subnet)
    total = teacher.loss(subnet, IMAGES, lesson, HELPED).item()
    halves = {index: torch.nn.functional.avg_pool2d(lesson.maps[index], 2) for index in (4, 5)}
    far = [log_difference(made[index], wanted) for index, wanted in halves.items()]
    assert total == pytest.approx(sum(far) + divergence(made[-1], lesson.logits), abs=2e-3)
    assert far[0] > 0.1


def test_a_helped_block_learns_the_same_whatever_stands_before_it(supernet: nas.Supernet) -> None:
    teacher = teacher_of(supernet)
    lesson = teacher.lesson(IMAGES)
    kernel = "weights.stage1/block2/conv"
    name = next(each for each, _ in supernet.named_parameters() if each.startswith(kernel))
    for chance in (HELPED, ALONE):
        gradients = []
        for before in ("conv", "mbconv"):
            supernet.zero_grad()
            kinds = {"stage1__block1__kind": before, "stage1__block2__kind": "conv"}
            subnet = supernet.subnet(network(supernet.space, **kinds)).train()
            teacher.loss(subnet, IMAGES, lesson, chance).backward()
            gradient = supernet.get_parameter(name).grad
            assert gradient is not None
            gradients.append(gradient)
        assert torch.equal(*gradients) == (chance is HELPED)


def test_the_teacher_is_left_as_it_is_and_no_hook_stays(supernet: nas.Supernet) -> None:
    teacher = teacher_of(supernet)
    before = {name: value.clone() for name, value in teacher.network.state_dict().items()}
    subnet = supernet.subnet(network(supernet.space, stage1__depth=1)).train()
    teacher.loss(subnet, IMAGES, teacher.lesson(IMAGES), HELPED).backward()
    assert all(torch.equal(before[name], value) for name, value in teacher.network.state_dict().items())
    assert all(value.grad is None for value in teacher.network.parameters())
    for block in (*teacher.network.blocks, *subnet.network.blocks):
        assert not block._forward_hooks
        assert not block._forward_pre_hooks


def test_cells_of_two_inputs_read_what_the_teacher_gives_at_both() -> None:
    space = nas.SearchSpace.parse(
        """
stem: {kind: conv, channels: 8}
cell: {inputs: 2, nodes: 2, ops: [skip_connect, sep_conv_3x3]}
stacks: [{channels: 8, cells: 2}, {channels: 16, cells: 1, reduction: cell}]
head: {kind: linear}
"""
    )
    supernet = nas.Supernet(space, num_classes=3, in_channels=1)
    teacher = Teacher(settle(supernet.extract(space.sample(0)), [IMAGES]))
    lesson = teacher.lesson(IMAGES)
    subnet = supernet.subnet(space.sample(1)).train()
    read, _ = watched(subnet)
    teacher.loss(subnet, IMAGES, lesson, HELPED).backward()
    for cell in (2, 3, 4):
        assert torch.equal(read[cell][0], lesson.maps[cell - 2])
        assert torch.equal(read[cell][1], lesson.maps[cell - 1])


@pytest.mark.slow
@pytest.mark.parametrize("name", builtin_names())
def test_networks_of_every_space_learn_from_one_of_them(name: str) -> None:
    """All kinds of blocks, wires and frozen parts; chance and the teacher differ from case to case."""
    space = nas.SearchSpace.load(name)
    supernet = nas.Supernet(space, num_classes=3, in_channels=3)
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    teacher = Teacher(settle(supernet.extract(space.sample(0)), [x]))
    lesson = teacher.lesson(x)
    for seed in (1, 2, 3):
        supernet.zero_grad(set_to_none=True)
        subnet = supernet.subnet(space.sample(seed)).train()
        loss = teacher.loss(subnet, x, lesson, random.Random(seed))
        loss.backward()
        assert bool(loss.isfinite())
        reached = [value.grad for value in subnet.shared.tensors.values() if value.requires_grad]
        assert sum(gradient is not None for gradient in reached) > len(reached) / 2
