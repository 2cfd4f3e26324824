"""Convolutions that take over the batch norm behind them, for networks that are only judged."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nasearch.nets.blocks.cell import ReLUConvNorm
from nasearch.nets.layers import ConvNorm


def fold_norms(network: nn.Module) -> nn.Module:
    """Put batch norms into the convolutions before them, in place; the outputs differ by rounding alone.

    Args:
        network: in evaluation mode, with the statistics that it is to keep; not to be trained afterwards.
    """
    for part in network.modules():
        if isinstance(part, ConvNorm | ReLUConvNorm) and isinstance(part.norm, nn.BatchNorm2d):
            part.conv = fuse_conv_bn_eval(part.conv, part.norm)
            part.norm = nn.Identity()  # type: ignore[assignment]
            if isinstance(part, ConvNorm) and hasattr(part.activation, "inplace"):
                part.activation.inplace = True  # type: ignore[assignment]  # nobody else reads what the convolution made
    return network
