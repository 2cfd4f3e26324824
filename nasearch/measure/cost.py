"""Parameters, multiply-accumulates and activation memory of a network, exact and without training.

One pass over shapes (torch's meta device computes no values) records every operator: those with a
formula in `torch.utils.flop_counter` give the MACs, and the buffers that operators read and make
give the memory. An architecture's cost is put together from its blocks' costs, each traced once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from nasearch.errors import BuildError, MeasurementError
from nasearch.nets.build import make_block, make_head
from nasearch.space.architecture import Architecture, Block, Head
from nasearch.space.kinds import Value

Shape = tuple[int, ...]

BYTES_PER_FLOAT = 4  # activations are counted as float32, whatever type the model has

# Operators without multiply-accumulates that are neither views nor tagged as elementwise by torch:
# normalisation (two operations an element, folded into the convolution when deployed), pooling,
# reductions, copies and constants. `torch.utils.flop_counter` and fvcore leave out the same.
# fmt: off
ZERO_MAC_OPERATORS = frozenset({
    "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
    "_batch_norm_with_update", "cudnn_batch_norm", "miopen_batch_norm", "native_layer_norm",
    "native_group_norm", "native_dropout", "_fused_rms_norm", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "max_pool2d_with_indices", "max_pool3d_with_indices", "mkldnn_max_pool2d", "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d", "upsample_nearest1d",
    "upsample_nearest2d", "upsample_nearest3d", "upsample_bilinear2d", "upsample_bicubic2d",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "mean", "sum", "amax", "amin", "max", "min",
    "argmax", "argmin", "var", "std", "var_mean", "any", "all", "prod", "topk", "sort", "cumsum",
    "logsumexp", "linalg_vector_norm", "_softmax", "_log_softmax", "_safe_softmax", "cat", "stack", "clone",
    "copy_", "_to_copy", "_unsafe_view", "repeat", "roll", "flip", "constant_pad_nd", "reflection_pad2d",
    "replication_pad2d", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle",
    "hardswish", "hardswish_", "embedding", "index", "index_select", "gather", "scatter", "index_put_",
    "masked_fill", "tril", "triu", "im2col", "col2im", "empty", "empty_like", "empty_strided",
    "empty_permuted", "new_empty", "new_empty_strided", "zeros", "zeros_like", "new_zeros", "ones",
    "ones_like", "new_ones", "full", "full_like", "new_full", "fill_", "zero_", "scalar_tensor", "arange",
    "linspace", "eye", "lift_fresh", "rand", "rand_like", "randn", "randn_like", "bernoulli_", "uniform_",
    "normal_",
})
# fmt: on


@dataclass(frozen=True)
class Cost:
    """What one image costs a network.

    Attributes:
        params: numbers that are trained; buffers such as running means are not among them.
        macs: multiply-accumulates of convolutions and matrix products; biases, normalisation and
            elementwise operators are none.
        peak_activation_bytes: batch 1, float32, evaluation: the largest, over the operators, of the
            activations alive while one runs (what it reads, what it makes, what is needed later).
            Nothing is taken to work in place, views share their buffer, weights do not count.
        uncounted: operators that may multiply but have no formula; their MACs are missing.
    """

    params: int
    macs: int
    peak_activation_bytes: int
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlockCost:
    """One row of a network's bill: a block, or the head at the end.

    Attributes:
        label: kind and what distinguishes it, such as `mbconv k5 e4`.
        output_shape: without the batch, (C, H, W) or (num_classes,).
    """

    name: str
    kind: str
    label: str
    output_shape: Shape
    params: int
    macs: int
    peak_activation_bytes: int


def measure_cost(model: nn.Module, input_shape: Shape = (3, 32, 32)) -> Cost:
    """Count any model's parameters, MACs and peak activation memory.

    The model is left as it is. It runs once as a copy without values on the meta device; where it
    reads values, and so cannot, it runs once itself on zeros.

    Args:
        model: takes one float tensor (1, *input_shape).
        input_shape: of one input, without the batch.

    Raises:
        MeasurementError: if the model cannot take such an input.
    """
    _check_shape(input_shape)
    params = sum(parameter.numel() for parameter in model.parameters())
    try:
        trace = _trace(_without_values(model), input_shape)
    except (RuntimeError, TypeError, ValueError):  # values are read, or the model cannot be copied
        modes = {module: module.training for module in model.modules()}
        try:
            trace = _trace(model.eval(), input_shape)
        except (RuntimeError, TypeError, ValueError) as problem:
            reason = str(problem).strip().partition("\n")[0]
            raise MeasurementError(
                f"{type(model).__name__} cannot take an input of shape {(1, *input_shape)}: {reason}"
            ) from problem
        finally:
            for module, training in modes.items():
                module.training = training
    return Cost(params, trace.macs, trace.peak_bytes(), trace.uncounted)


def architecture_cost(
    architecture: Architecture, input_shape: Shape = (3, 32, 32), num_classes: int = 10
) -> Cost:
    """What `measure_cost(build(architecture, ...), input_shape)` gives, without building it.

    Blocks follow one another and hand on one tensor, so parameters and MACs add up and the peak is
    the largest block's. Microseconds once its blocks have been met.

    Raises:
        BuildError: if a block cannot be built, by its name.
        MeasurementError: if `input_shape` is no (channels, height, width).
    """
    pieces = _pieces(architecture, input_shape, num_classes)
    uncounted: set[str] = set()
    params = macs = peak = 0
    for piece in pieces:
        params += piece.params
        macs += piece.macs
        peak = max(peak, piece.peak_activation_bytes)
        uncounted.update(piece.uncounted)
    return Cost(params, macs, peak, tuple(sorted(uncounted)))


def block_costs(
    architecture: Architecture, input_shape: Shape = (3, 32, 32), num_classes: int = 10
) -> tuple[BlockCost, ...]:
    """The bill of a network: a row a block in order, then the head.

    Raises:
        BuildError: if a block cannot be built, by its name.
        MeasurementError: if `input_shape` is no (channels, height, width).
    """
    head = architecture.head
    names = [(block.name, block.kind, block.label) for block in architecture.blocks]
    names.append(("head", head.kind, head.label))
    return tuple(
        BlockCost(*name, piece.output_shape, piece.params, piece.macs, piece.peak_activation_bytes)
        for name, piece in zip(names, _pieces(architecture, input_shape, num_classes), strict=True)
    )


@dataclass(frozen=True)
class _Piece:
    """What one block or head costs at one input shape."""

    output_shape: Shape
    params: int
    macs: int
    peak_activation_bytes: int
    uncounted: tuple[str, ...]


def _pieces(architecture: Architecture, input_shape: Shape, num_classes: int) -> list[_Piece]:
    """The costs of all blocks in order, then of the head."""
    _check_shape(input_shape)
    if len(input_shape) != 3:
        raise MeasurementError(f"input_shape is {input_shape!r}; expected (channels, height, width)")
    pieces = []
    shape: Shape = input_shape
    for block in architecture.blocks:
        try:
            piece = _block_piece(
                block.kind,
                block.channels,
                block.stride,
                block.attention,
                block.options,
                shape,
            )
        except BuildError:
            make_block(block, shape[0])  # fails again, and this time the error has the block's name
            raise
        pieces.append(piece)
        shape = piece.output_shape
    head = architecture.head
    pieces.append(_head_piece(head.kind, head.options, num_classes, shape))
    return pieces


# A kind never changes its class (`register_block` refuses), so what is remembered stays true. A
# piece takes about a kilobyte, and the largest built-in space has a few thousand different ones.
@lru_cache(maxsize=65_536)
def _block_piece(
    kind: str,
    channels: int,
    stride: int,
    attention: str,
    options: tuple[tuple[str, Value], ...],
    input_shape: Shape,
) -> _Piece:
    with torch.device("meta"):
        module = make_block(Block("block", kind, channels, stride, attention, options), input_shape[0])
    return _piece(module, input_shape)


@lru_cache(maxsize=4_096)
def _head_piece(
    kind: str,
    options: tuple[tuple[str, Value], ...],
    num_classes: int,
    input_shape: Shape,
) -> _Piece:
    with torch.device("meta"):
        module = make_head(Head(kind, options), input_shape[0], num_classes)
    return _piece(module, input_shape)


def _piece(module: nn.Module, input_shape: Shape) -> _Piece:
    trace = _trace(module.eval(), input_shape)
    params = sum(parameter.numel() for parameter in module.parameters())
    return _Piece(trace.output_shape, params, trace.macs, trace.peak_bytes(), trace.uncounted)


def _check_shape(input_shape: Shape) -> None:
    if not input_shape or min(input_shape) < 1:
        raise MeasurementError(f"input_shape is {input_shape!r}; expected whole numbers of at least 1")


def _without_values(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose parameters and buffers have shapes but no values."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo).eval()


def _trace(model: nn.Module, input_shape: Shape) -> _Trace:
    """Run `model`, which is in evaluation mode, on one input and record its operators."""
    weights = [*model.parameters(), *model.buffers()]
    like = next((weight for weight in weights if weight.is_floating_point()), torch.empty(0, device="meta"))
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no formula; its parts do
    try:
        with torch.inference_mode(False), torch.no_grad():
            image = torch.zeros((1, *input_shape), dtype=like.dtype, device=like.device)
            trace = _Trace(weights, image)
            with trace:
                output = model(image)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    trace.finish(output)
    return trace


class _Trace(TorchDispatchMode):
    """Records the operators that run inside it, and the lives of the buffers they read and make.

    A buffer is one version of a storage: an operator that works in place ends one version and
    starts the next. Its life spans the operator that makes it to the last one that reads it.
    """

    def __init__(self, weights: Iterable[Tensor], image: Tensor) -> None:
        super().__init__()
        self.macs = 0
        self.output_shape: Shape = ()
        self._flops = 0
        self._uncounted: set[str] = set()
        self._operators = 0
        self._sizes: list[int] = []
        self._born: list[int] = []
        self._last: list[int] = []
        self._aside: set[int] = set()  # results beside an operator's first one
        self._buffers: dict[int, int | None] = {}  # storage -> its present version; None for weights
        self._storages: list[torch.UntypedStorage] = []  # kept alive, so that no address comes back
        for weight in weights:
            self._buffers[self._storage(weight)] = None
        self._make(image)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Names of the operators whose MACs are missing."""
        return tuple(sorted(self._uncounted))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        if packet not in flop_registry:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if packet in flop_registry:
            self._flops += flop_registry[packet](*args, **kwargs, out_val=result)
            self.macs = self._flops // 2
        elif not _is_free(func):
            self._uncounted.add(str(packet))
        self._record(func, args, kwargs, result)
        return result

    def finish(self, output: Any) -> None:
        """Keep the model's output alive to the end."""
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        for tensor in tensors:
            self._touch(tensor, self._operators - 1)
        if tensors:
            self.output_shape = tuple(tensors[0].shape[1:])

    def peak_bytes(self) -> int:
        """The largest sum of buffers alive while one operator runs."""
        if not self._operators:  # the identity: its input is another operator's output
            return 0
        changes = [0] * (self._operators + 1)
        for buffer, size in enumerate(self._sizes):
            if buffer not in self._aside:
                changes[self._born[buffer]] += size
                changes[self._last[buffer] + 1] -= size
        return max(accumulate(changes))

    def _record(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        now = self._operators
        self._operators += 1
        for tensor in _tensors((args, kwargs)):
            self._touch(tensor, now)
        for tensor in _written(func, args, kwargs):
            if self._buffers[self._storage(tensor)] is not None:
                self._make(tensor)
        for place, tensor in enumerate(_tensors(result)):
            if self._storage(tensor) not in self._buffers:
                self._make(tensor)
                if place:
                    self._aside.add(len(self._sizes) - 1)

    def _make(self, tensor: Tensor) -> None:
        """A new version of the tensor's storage, made by the operator that runs now."""
        size = tensor.untyped_storage().nbytes()
        if tensor.is_floating_point():
            size = size // tensor.element_size() * BYTES_PER_FLOAT
        now = max(self._operators - 1, 0)
        self._buffers[self._storage(tensor)] = len(self._sizes)
        self._sizes.append(size)
        self._born.append(now)
        self._last.append(now)

    def _touch(self, tensor: Tensor, now: int) -> None:
        """The tensor's buffer is needed by operator `now`."""
        # What no operator made is a constant that the model holds, and counts as a weight.
        buffer = self._buffers.setdefault(self._storage(tensor), None)
        if buffer is not None:
            self._last[buffer] = now
            self._aside.discard(buffer)  # read after all, so it is no mere by-product

    def _storage(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        self._storages.append(storage)
        return int(storage._cdata)


def _tensors(data: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(data) if isinstance(leaf, Tensor)]


def _written(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an operator changes in place or is given to write to."""
    if not func._schema.is_mutable or torch.Tag.inplace_view in func.tags:
        return []
    written = []
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            written += _tensors(args[place] if place < len(args) else kwargs.get(argument.name))
    return written


def _is_free(func: Any) -> bool:
    """Whether an operator is known to have no multiply-accumulates."""
    return (
        func.is_view
        or torch.Tag.inplace_view in func.tags
        or torch.Tag.pointwise in func.tags
        or func._overloadpacket.__name__ in ZERO_MAC_OPERATORS
        or func.namespace == "prim"
    )
