"""Layers that blocks are made of: convolution with norm, activations, attention, shortcuts.

All take and give (N, C, H, W) float tensors. Nothing here changes its input in place, because a
cell and a shortcut hand one tensor to several readers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def make_activation(name: str) -> nn.Module:
    """The non-linearity of that name; any shape, shape kept.

    Raises:
        ValueError: if there is no such activation.
    """
    activations: dict[str, type[nn.Module]] = {
        "none": nn.Identity,
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "silu": nn.SiLU,
        "hardswish": nn.Hardswish,
        "gelu": nn.GELU,
    }
    if name not in activations:
        raise ValueError(f"activation is {name!r}; expected one of {', '.join(activations)}")
    return activations[name]()


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, activation."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        dilation: int = 1,
        groups: int = 1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        padding = kernel // 2 * dilation
        self.conv = nn.Conv2d(
            in_channels, channels, kernel, stride, padding, dilation=dilation, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out


class SqueezeExcitation(nn.Module):
    """Weighs each channel by a gate computed from all channels' means.

    Global average pooling, two 1x1 convolutions with bias around a narrow middle of `squeezed`
    channels, sigmoid.

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks".
    """

    def __init__(self, channels: int, squeezed: int, *, activation: str = "relu") -> None:
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.activation = make_activation(activation)
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        weights: Tensor = self.gate(self.expand(self.activation(self.reduce(self.squeeze(x)))))
        return x * weights


class ChannelAttention(nn.Module):
    """Weighs each channel by one small network run on its mean and on its maximum.

    Source: Woo et al. 2018, "CBAM: Convolutional Block Attention Module", section 3.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.activation = nn.ReLU()
        self.expand = nn.Conv2d(squeezed, channels, 1, bias=False)
        self.gate = nn.Sigmoid()

    def shared(self, pooled: Tensor) -> Tensor:
        """The network that both poolings share, (N, C, 1, 1) kept."""
        out: Tensor = self.expand(self.activation(self.reduce(pooled)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        mean = x.mean(dim=(2, 3), keepdim=True)
        maximum = x.amax(dim=(2, 3), keepdim=True)
        weights: Tensor = self.gate(self.shared(mean) + self.shared(maximum))
        return x * weights


class SpatialAttention(nn.Module):
    """Weighs each position by a convolution over its mean and maximum of channels.

    Source: Woo et al. 2018, "CBAM: Convolutional Block Attention Module", section 3.
    """

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        mean = x.mean(dim=1, keepdim=True)
        maximum = x.amax(dim=1, keepdim=True)
        weights: Tensor = self.gate(self.conv(torch.cat((mean, maximum), dim=1)))
        return x * weights


class ConvBlockAttention(nn.Module):
    """Channel attention, then spatial attention.

    Source: Woo et al. 2018, "CBAM: Convolutional Block Attention Module".
    """

    def __init__(self, channels: int, squeezed: int, *, kernel: int = 7) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, squeezed)
        self.spatial = SpatialAttention(kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        out: Tensor = self.spatial(self.channel(x))
        return out


def make_attention(name: str, channels: int) -> nn.Module:
    """The attention module of that name with a quarter of the channels in its middle; shape kept.

    Raises:
        ValueError: if there is no such attention.
    """
    squeezed = max(1, channels // 4)
    if name == "none":
        return nn.Identity()
    if name == "se":
        return SqueezeExcitation(channels, squeezed)
    if name == "cbam":
        return ConvBlockAttention(channels, squeezed)
    raise ValueError(f"attention is {name!r}; expected one of none, se, cbam")


def make_projection(in_channels: int, channels: int, stride: int) -> nn.Module:
    """The cheapest way from one shape to another: identity where they agree, else 1x1 convolution and norm.

    Source: He et al. 2016, "Deep Residual Learning for Image Recognition", option B.
    """
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    return ConvNorm(in_channels, channels, 1, stride, activation="none")
