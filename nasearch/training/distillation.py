"""Knowledge distillation: a student that learns from a teacher's soft targets besides the labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from nasearch.errors import TrainingError


@dataclass(frozen=True)
class Distillation:
    """How much, and how soft.

    Attributes:
        temperature: by which the logits of both are divided before the softmax.
        alpha: weight of the soft targets; 1 - alpha is that of the labels.
    """

    temperature: float = 4.0
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise TrainingError(
                f"distillation: temperature is {self.temperature!r}; expected a number above 0"
            )
        if not 0 <= self.alpha <= 1:
            raise TrainingError(f"distillation: alpha is {self.alpha!r}; expected a share from 0 to 1")


def distillation_loss(student: Tensor, teacher: Tensor, label_loss: Tensor, settings: Distillation) -> Tensor:
    """The distilled loss: alpha T^2 KL(teacher || student) + (1 - alpha) label_loss, the mean over the batch.

    Args:
        student: logits (B, classes).
        teacher: logits (B, classes), through which no gradient goes.
        label_loss: scalar, the cross-entropy of the student with the labels.
        settings: temperature T and weight alpha.

    Source: Hinton, Vinyals, Dean 2015, section 2; T^2 keeps the gradient's size when T changes.
    """
    temperature = settings.temperature
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher.detach() / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return settings.alpha * temperature**2 * divergence + (1 - settings.alpha) * label_loss
