"""Inverted residual blocks: narrow ends, a wide depthwise middle."""

from __future__ import annotations

from torch import Tensor, nn

from nasearch.nets.layers import ConvNorm, SqueezeExcitation, make_attention


class MBConv(nn.Module):
    """Widen, convolve each channel by itself, narrow; added to the input where shapes agree.

    The middle is
    in_channels * expand wide and is squeezed to in_channels * se channels by the
    squeeze-and-excitation; se 0 leaves that out, expand 1 leaves the widening out.

    Source: Sandler et al. 2018, "MobileNetV2"; with se, Tan & Le 2019, "EfficientNet". Its
    parameters stand in the order of torchvision's `InvertedResidual` and `MBConv`.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        attention: str = "none",
        kernel: int = 3,
        expand: int = 6,
        se: float = 0.0,
        activation: str = "relu6",
    ) -> None:
        super().__init__()
        hidden = in_channels * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(ConvNorm(in_channels, hidden, 1, activation=activation))
        layers.append(ConvNorm(hidden, hidden, kernel, stride, groups=hidden, activation=activation))
        if se > 0:
            layers.append(SqueezeExcitation(hidden, max(1, int(in_channels * se)), activation=activation))
        layers.append(ConvNorm(hidden, channels, 1, activation="none"))
        layers.append(make_attention(attention, channels))
        self.branch = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.branch(x)
        return x + out if self.has_shortcut else out
