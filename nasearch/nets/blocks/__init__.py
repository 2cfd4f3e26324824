"""The table from kind to class; `nasearch.space.KINDS` is its torch-free half, with the same keys."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from nasearch.nets.blocks.attention import (
    CBAMBlock,
    ChannelAttentionBlock,
    ECABlock,
    SEBlock,
    SelfAttentionBlock,
    SpatialAttentionBlock,
)
from nasearch.nets.blocks.backbone import Backbone
from nasearch.nets.blocks.cell import AvgPoolResidual, Cell, cell_graph
from nasearch.nets.blocks.conv import Conv, DepthwiseSeparable
from nasearch.nets.blocks.convnext import ConvNeXt
from nasearch.nets.blocks.darts import DartsCell, darts_graph
from nasearch.nets.blocks.head import LinearHead, MLPHead
from nasearch.nets.blocks.inception import Inception
from nasearch.nets.blocks.mbconv import FusedMBConv, MBConv
from nasearch.nets.blocks.modern import Ghost, Shuffle
from nasearch.nets.blocks.pooling import AvgPool, MaxPool, Skip, Zero
from nasearch.nets.blocks.residual import Bottleneck, Residual
from nasearch.nets.blocks.transformer import PatchEmbed, Transformer
from nasearch.nets.graph import Graph

BLOCKS: dict[str, type[nn.Module]] = {
    "conv": Conv,
    "depthwise": DepthwiseSeparable,
    "residual": Residual,
    "bottleneck": Bottleneck,
    "mbconv": MBConv,
    "fused_mbconv": FusedMBConv,
    "inception": Inception,
    "se": SEBlock,
    "cbam": CBAMBlock,
    "channel_attention": ChannelAttentionBlock,
    "spatial_attention": SpatialAttentionBlock,
    "eca": ECABlock,
    "self_attention": SelfAttentionBlock,
    "patch_embed": PatchEmbed,
    "transformer": Transformer,
    "convnext": ConvNeXt,
    "ghost": Ghost,
    "shuffle": Shuffle,
    "max_pool": MaxPool,
    "avg_pool": AvgPool,
    "skip": Skip,
    "none": Zero,
    "backbone": Backbone,
    "cell": Cell,
    "darts_cell": DartsCell,
    "avgpool_residual": AvgPoolResidual,
}

HEADS: dict[str, type[nn.Module]] = {"linear": LinearHead, "mlp": MLPHead}

GRAPHS: dict[type[nn.Module], Callable[..., Graph]] = {Cell: cell_graph, DartsCell: darts_graph}
"""For classes whose networks differ in nearly every block: what gives the graph of one, with the arguments of
the class. Its forward runs that graph and nothing else."""

__all__ = ["BLOCKS", "GRAPHS", "HEADS"]
