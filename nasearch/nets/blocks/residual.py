"""Residual blocks: a branch that is added to its own input."""

from __future__ import annotations

from torch import Tensor, nn

from nasearch.nets.layers import ConvNorm, make_activation, make_attention, make_projection


class Residual(nn.Module):
    """Two convolutions beside a shortcut; the shortcut is projected exactly when the shape changes.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", the basic block; its
    parameters stand in the order of torchvision's `BasicBlock`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        attention: str = "none",
        kernel: int = 3,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.first = ConvNorm(in_channels, channels, kernel, stride, activation=activation)
        self.second = ConvNorm(channels, channels, kernel, activation="none")
        self.attention = make_attention(attention, channels)
        self.shortcut = make_projection(in_channels, channels, stride)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        branch = self.attention(self.second(self.first(x)))
        out: Tensor = self.activation(branch + self.shortcut(x))
        return out
