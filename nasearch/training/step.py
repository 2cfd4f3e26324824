"""One step of the optimiser."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasearch.training.distillation import Distillation, distillation_loss
from nasearch.training.memory import part_size
from nasearch.training.optim import Average
from nasearch.training.recipe import Recipe


class Step:
    """Forward, loss, backward and update of one batch; what a step needs besides the batch."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, device: torch.device
    ) -> None:
        self.model, self.optimizer, self.recipe, self.device = model, optimizer, recipe, device
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.average: Average | None = None
        self.teacher: nn.Module | None = None
        self.distillation = Distillation()
        self.precision = "float32"
        self.parts = 1

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on a batch; its loss, a scalar on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.backward(self.model, images, labels)
        if self.recipe.grad_clip:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.grad_clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        return loss

    def backward(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Add up the gradients of a batch, in as many parts as memory wants; its mean loss."""
        size = part_size(len(images), self.parts)
        if size == len(images):
            loss = self.loss(model, images, labels)
            loss.backward()
            return loss.detach()
        total = torch.zeros((), device=self.device)
        for some, theirs in zip(images.split(size), labels.split(size), strict=True):
            loss = self.loss(model, some, theirs) * (len(some) / len(images))
            loss.backward()
            total += loss.detach()
            del loss  # else the next part's activations meet those of this one
        return total

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """What is minimised: images (B, C, H, W), labels (B,) or (B, classes); a scalar."""
        with autocast(self.precision, self.device):
            logits = model(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        if self.teacher is not None:
            with torch.no_grad(), autocast(self.precision, self.device):
                soft = self.teacher(images)
            loss = distillation_loss(logits, soft.float(), loss, self.distillation)
        return loss


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Automatic mixed precision, where it is asked for.

    Without the cache of cast weights: each is used once a forward pass, and a captured step must keep none.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
