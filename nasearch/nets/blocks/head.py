"""Heads: from the last feature map to class scores."""

from __future__ import annotations

from torch import Tensor, nn

from nasearch.nets.layers import make_activation


class LinearHead(nn.Module):
    """[Batch norm,] [activation,] global average pooling, [dropout,] a linear classifier.

    (N, channels, H, W) -> (N, num_classes), scores before the softmax.

    Raises:
        ValueError: if `norm` is neither "none" nor "batch".
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        *,
        dropout: float = 0.0,
        norm: str = "none",
        activation: str = "none",
    ) -> None:
        super().__init__()
        if norm not in ("none", "batch"):
            raise ValueError(f"norm is {norm!r}; expected one of none, batch")
        self.norm = nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()
        self.activation = make_activation(activation)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, num_classes)."""
        features = self.pool(self.activation(self.norm(x))).flatten(1)
        scores: Tensor = self.classifier(self.dropout(features))
        return scores
