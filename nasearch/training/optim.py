"""Optimisers, and the moving average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nasearch.errors import TrainingError
from nasearch.training.evaluate import settle
from nasearch.training.recipe import Recipe


def make_optimizer(
    model: nn.Module, recipe: Recipe, device: torch.device, undecayed: Iterable[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The recipe's optimiser, with weight decay on matrices and kernels only.

    Norms and biases must not be drawn to 0, nor those that are `undecayed`.

    Raises:
        TrainingError: if the network has nothing to train.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise TrainingError("the network has no parameters to train; expected at least one")
    kept = {id(p) for p in undecayed} | {id(p) for p in parameters if p.ndim <= 1}
    groups = [
        {"params": [p for p in parameters if id(p) not in kept], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if id(p) in kept], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    # fused and foreach are equal on a CPU (within 10 %); a loop over parameters cost up to 40 % more
    fused = device.type in ("cpu", "cuda")
    ways = {"fused": fused, "foreach": None if fused else True}
    # on a GPU the rate is a tensor, which a captured step reads anew at each replay
    lr = torch.tensor(recipe.lr, device=device) if device.type == "cuda" else recipe.lr
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, **ways)  # type: ignore[arg-type]
    return torch.optim.AdamW(groups, lr=lr, **ways)  # type: ignore[arg-type]


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group the rate, without waiting for the device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


class Average:
    """A copy of a network whose weights are the exponential moving average of the network's.

    The first update copies them. As `torch.optim.swa_utils.AveragedModel`, which asks the device at each
    update how many there were and so makes a GPU wait.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.source = model
        self.module = copy.deepcopy(model)
        self.module.requires_grad_(False)
        self.updates = 0
        self._move = get_ema_multi_avg_fn(decay)
        kinds: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for own, theirs in zip(self.module.parameters(), model.parameters(), strict=True):
            pair = kinds.setdefault(own.dtype, ([], []))
            pair[0].append(own)
            pair[1].append(theirs)
        self._pairs = list(kinds.values())

    def update(self) -> None:
        """Take in the network's present weights."""
        for own, theirs in self._pairs:
            if self.updates:
                self._move(own, theirs, None)
            else:
                with torch.no_grad():
                    for average, weight in zip(own, theirs, strict=True):
                        average.copy_(weight)
        self.updates += 1

    def settle(self, images: Iterable[Tensor]) -> nn.Module:
        """The averaged network, ready to be judged: its batch normalisation has statistics of its own.

        Args:
            images: batches (B, C, H, W), B at least 2, without augmentation.
        """
        with torch.no_grad():
            for own, theirs in zip(self.module.buffers(), self.source.buffers(), strict=True):
                own.copy_(theirs)
        return settle(self.module, images)
