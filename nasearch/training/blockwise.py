"""Block-wise distillation: each block of a network learns to give what the largest network gives there.

Half of the blocks read what the teacher gives before them, and learn on their own. The others read what the
network itself gives: they learn to live with its faults, and the blocks before them to serve them. So blocks
that never met fit together.

Source: Li et al. 2020, "Block-wisely Supervised Neural Architecture Search with Knowledge Distillation";
there every part reads the teacher.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from nasearch.nets import Network, Subnet
from nasearch.space import Architecture

HELPED = 0.5
"""Share of the blocks that read the teacher's maps."""


@dataclass(frozen=True)
class Lesson:
    """What a teacher gives for a batch.

    Attributes:
        maps: (N, C, H, W) after each of its blocks.
        logits: (N, classes).
    """

    maps: tuple[Tensor, ...]
    logits: Tensor


class Teacher:
    """A trained network that teaches the blocks of other networks of its space.

    Args:
        network: is put into evaluation mode and gets no gradients.
    """

    def __init__(self, network: Network) -> None:
        self.network = network.eval().requires_grad_(False)
        names = [block.name for block in network.architecture.blocks]
        self._at = {name: index for index, name in enumerate(names)}
        self._ends = {_stage(name): index for index, name in enumerate(names)}

    def lesson(self, images: Tensor) -> Lesson:
        """What it gives for images (N, C, H, W)."""
        maps: list[Tensor] = []
        hooks = [
            block.register_forward_hook(lambda *seen: maps.append(seen[2])) for block in self.network.blocks
        ]
        with torch.no_grad(), _hooked(hooks):
            logits = self.network(images)
        return Lesson(tuple(maps), logits.float())

    def matches(self, architecture: Architecture) -> list[int | None]:
        """For each block of a network the teacher's block that stands where it stands.

        To the last block of a stage it is the last one of the teacher's, however deep; to others it is the
        one of their own name. None where the teacher has no such stage or block.
        """
        names = [block.name for block in architecture.blocks]
        last = {_stage(name): index for index, name in enumerate(names)}
        return [
            self._ends.get(_stage(name)) if last[_stage(name)] == index else self._at.get(name)
            for index, name in enumerate(names)
        ]

    def loss(self, subnet: Subnet, images: Tensor, lesson: Lesson, chance: random.Random) -> Tensor:
        """The sum over a network's blocks of how far they are from the lesson.

        Of each block it is log(1 + d), d the mean squared difference of what it gives in units of the
        teacher's variance. Where a network is narrower, its channels are the teacher's first ones; where its
        maps have another size, the teacher's are averaged to that size, or repeated. A block that the teacher
        lacks learns from blocks behind it alone. The head adds the divergence of its logits.

        Args:
            subnet: in training mode.
            images: (N, C, H, W), those of the lesson.
            lesson: of this teacher.
            chance: says of each block whether it reads what the teacher gives before it (`HELPED` of them) or
                what the network itself gives.
        """
        architecture = subnet.architecture
        matches = self.matches(architecture)
        helped = [chance.random() < HELPED for _ in matches]
        losses: list[Tensor] = []

        def given(index: int, found: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            sources = [index + offset for offset in architecture.blocks[index].inputs]
            return tuple(
                _read(lesson, matches[source], own) if source >= 0 else own
                for source, own in zip(sources, found, strict=True)
            )

        def compare(index: int, made: Tensor) -> None:
            wanted = _like(lesson, matches[index], made)
            if wanted is not None:
                made = made[:, : wanted.shape[1]].float()
                far = F.mse_loss(made, wanted) / wanted.var().clamp_min(1e-6)
                losses.append(far.log1p())  # or paths whose maps explode would be all that is learnt from

        hooks = []
        for index, block in enumerate(subnet.network.blocks):
            if helped[index]:
                hooks.append(block.register_forward_pre_hook(lambda _, found, at=index: given(at, found)))
            hooks.append(block.register_forward_hook(lambda _, __, made, at=index: compare(at, made)))
        with _hooked(hooks):
            logits = subnet(images).float()
        said, wanted = (F.log_softmax(each, dim=1) for each in (logits, lesson.logits))
        divergence = F.kl_div(said, wanted, reduction="batchmean", log_target=True)
        return torch.stack([divergence, *losses]).sum()


def _stage(name: str) -> str:
    """Of "stage1.block2" it is "stage1"; a block without a stage, such as the stem, is one of its own."""
    return name.rpartition(".")[0] or name


def _like(lesson: Lesson, match: int | None, own: Tensor) -> Tensor | None:
    """A teacher's map with the channels and the size of another, as far as it has them; None without one."""
    if match is None:
        return None
    found = lesson.maps[match][:, : own.shape[1]].float()
    if found.shape[2:] == own.shape[2:]:
        return found
    return F.adaptive_avg_pool2d(found, (own.shape[2], own.shape[3]))


def _read(lesson: Lesson, match: int | None, own: Tensor) -> Tensor:
    """What a block reads in the place of what the network gives, where the teacher has as much there."""
    found = _like(lesson, match, own)
    return own if found is None or found.shape != own.shape else found.to(own.dtype)


@contextmanager
def _hooked(hooks: list[RemovableHandle]) -> Iterator[None]:
    """Hooks that act for a while."""
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
