"""Pooling as a block, and the block that does nothing."""

from __future__ import annotations

from torch import Tensor, nn

from nasearch.nets.layers import make_attention, make_projection


class MaxPool(nn.Module):
    """Maximum pooling, then a projection where the width changes."""

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, attention: str = "none", kernel: int = 3
    ) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(kernel, stride, padding=kernel // 2)
        self.projection = make_projection(in_channels, channels, stride=1)
        self.attention = make_attention(attention, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.attention(self.projection(self.pool(x)))
        return out


class AvgPool(nn.Module):
    """Average pooling over the pixels that exist (padding not counted), then as `MaxPool`."""

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, *, attention: str = "none", kernel: int = 3
    ) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(kernel, stride, padding=kernel // 2, count_include_pad=False)
        self.projection = make_projection(in_channels, channels, stride=1)
        self.attention = make_attention(attention, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.attention(self.projection(self.pool(x)))
        return out


class Skip(nn.Module):
    """The input as it is, or its projection where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.projection = make_projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.projection(x)
        return out
