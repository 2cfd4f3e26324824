"""Attention modules as blocks of their own."""

from __future__ import annotations

from torch import Tensor, nn

from nasearch.nets.layers import ConvBlockAttention, SqueezeExcitation, make_projection


class SEBlock(nn.Module):
    """Squeeze-and-excitation, after a projection where the shape changes.

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks".
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, reduction: int = 4) -> None:
        super().__init__()
        self.projection = make_projection(in_channels, channels, stride)
        self.gate = SqueezeExcitation(channels, max(1, channels // reduction))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.gate(self.projection(x))
        return out


class CBAMBlock(nn.Module):
    """Channel and spatial attention, after a projection where the shape changes.

    Source: Woo et al. 2018, "CBAM: Convolutional Block Attention Module".
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, reduction: int = 4, kernel: int = 7
    ) -> None:
        super().__init__()
        self.projection = make_projection(in_channels, channels, stride)
        self.gate = ConvBlockAttention(channels, max(1, channels // reduction), kernel=kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.gate(self.projection(x))
        return out
