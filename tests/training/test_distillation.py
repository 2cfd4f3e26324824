from __future__ import annotations

import math

import pytest
import torch

from nasearch.errors import TrainingError
from nasearch.training import Distillation, distillation_loss


def softmax(logits: list[float], temperature: float) -> list[float]:
    powers = [math.exp(logit / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize(("temperature", "alpha"), [(4.0, 0.5), (1.0, 1.0), (2.0, 0.0), (3.0, 0.9)])
def test_the_loss_is_hintons(temperature: float, alpha: float) -> None:
    student, teacher = [[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]], [[2.0, 0.0, -1.0], [1.0, 1.0, 0.0]]
    divergence = 0.0
    for row in range(2):
        p, q = softmax(teacher[row], temperature), softmax(student[row], temperature)
        divergence += sum(p_i * math.log(p_i / q_i) for p_i, q_i in zip(p, q, strict=True)) / 2
    expected = alpha * temperature**2 * divergence + (1 - alpha) * 0.7
    loss = distillation_loss(
        torch.tensor(student), torch.tensor(teacher), torch.tensor(0.7), Distillation(temperature, alpha)
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_that_of_soft_cross_entropy_and_spares_the_teacher() -> None:
    student = torch.tensor([[1.0, -2.0, 0.5]], requires_grad=True)
    teacher = torch.tensor([[2.0, 0.0, -1.0]], requires_grad=True)
    distillation_loss(student, teacher, torch.tensor(0.0), Distillation(4.0, 1.0)).backward()
    # d/dz of T^2 KL is T (q - p): Hinton et al. 2015, equation 2
    p, q = softmax([2.0, 0.0, -1.0], 4.0), softmax([1.0, -2.0, 0.5], 4.0)
    expected = [4.0 * (q_i - p_i) for p_i, q_i in zip(p, q, strict=True)]
    assert student.grad is not None
    assert student.grad[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert teacher.grad is None


@pytest.mark.parametrize(
    ("temperature", "alpha", "message"),
    [(0.0, 0.5, "temperature is 0.0"), (4.0, 1.1, "alpha is 1.1"), (4.0, -0.1, "alpha is -0.1")],
)
def test_impossible_settings_are_named(temperature: float, alpha: float, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        Distillation(temperature, alpha)
