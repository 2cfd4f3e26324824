"""The inception module: convolutions of several sizes side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nasearch.nets.layers import ConvNorm, make_attention


class Inception(nn.Module):
    """Four branches, concatenated: 1x1; 1x1 then 3x3; 1x1 then 5x5; 3x3 maximum pooling then 1x1.

    The branches are
    1/4, 1/2, 1/8 and 1/8 of the channels wide (what rounding leaves goes to the 3x3 branch), the
    narrow 1x1 before the 3x3 and the 5x5 are 3/8 and 1/16 of them: GoogLeNet's module 3a.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions".

    Raises:
        ValueError: if there are fewer than 4 channels, one a branch.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        attention: str = "none",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if channels < 4:
            raise ValueError(f"channels is {channels}; an inception block takes at least 4, one a branch")
        one, five, pool = channels // 4, max(1, channels // 8), max(1, channels // 8)
        three = channels - one - five - pool
        reduce_three, reduce_five = max(1, channels * 3 // 8), max(1, channels // 16)
        self.one = ConvNorm(in_channels, one, 1, stride, activation=activation)
        self.three = nn.Sequential(
            ConvNorm(in_channels, reduce_three, 1, activation=activation),
            ConvNorm(reduce_three, three, 3, stride, activation=activation),
        )
        self.five = nn.Sequential(
            ConvNorm(in_channels, reduce_five, 1, activation=activation),
            ConvNorm(reduce_five, five, 5, stride, activation=activation),
        )
        self.pool = nn.Sequential(
            nn.MaxPool2d(3, stride, padding=1),
            ConvNorm(in_channels, pool, 1, activation=activation),
        )
        self.attention = make_attention(attention, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        branches = (self.one(x), self.three(x), self.five(x), self.pool(x))
        out: Tensor = self.attention(torch.cat(branches, dim=1))
        return out
