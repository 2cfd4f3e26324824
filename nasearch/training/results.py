"""What a training tells: a point for each validation, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class CurvePoint:
    """One epoch of a learning curve.

    Attributes:
        epoch: counted from 1.
        train_loss: mean over the epoch's steps of what was minimised (smoothed, mixed, distilled).
        val_loss: mean cross-entropy on the validation split.
        val_accuracy: fraction in [0, 1].
        lr: learning rate of the epoch's last step.
        seconds: since the training began, validation included; of one taken up again, of all its parts.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """What a training gave.

    Attributes:
        accuracy: on the validation split after the last epoch, not the best of all epochs: a choice among
            readings of the validation split would flatter noisy candidates.
        curve: the evaluated epochs.
        seconds: wall-clock, validation included.
        images_seen: by the network, over all epochs.
        epochs: that were done.
        stopped: the caller's `on_epoch` ended it before the recipe's last epoch.
        facts: how it was carried out, as JSON values: precision, memory_format and why; accumulation, the
            parts of a batch; graph on a GPU; early_stop, checkpoint and validation_batch where there is
            something to tell.
    """

    accuracy: float
    curve: tuple[CurvePoint, ...]
    seconds: float
    images_seen: int
    epochs: int = 0
    stopped: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)
