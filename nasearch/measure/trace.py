"""One run of a model, recorded operator by operator: its MACs, the lives of its buffers, its paths.

Operators with a formula in `torch.utils.flop_counter` give the MACs; the buffers that operators
read and make give the memory, and how they hang together the paths from inputs to output.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from nasearch.measure.flow import START, Flows, joined, through

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
    "hardswish", "hardswish_", "hardtanh_", "relu6_", "embedding", "index", "index_select", "gather",
    "scatter", "index_put_",
    "masked_fill", "tril", "triu", "im2col", "col2im", "empty", "empty_like", "empty_strided",
    "empty_permuted", "new_empty", "new_empty_strided", "zeros", "zeros_like", "new_zeros", "ones",
    "ones_like", "new_ones", "full", "full_like", "new_full", "fill_", "zero_", "scalar_tensor", "arange",
    "linspace", "eye", "lift_fresh", "rand", "rand_like", "randn", "randn_like", "bernoulli_", "uniform_",
    "normal_",
})
# fmt: on

# What these make does not depend on the values that they are given.
CONSTANT_OPERATORS = frozenset({
    "empty_like", "new_empty", "new_empty_strided", "zeros_like", "new_zeros", "ones_like", "new_ones",
    "full_like", "new_full", "fill_", "zero_", "rand_like", "randn_like", "bernoulli_", "uniform_", "normal_",
})  # fmt: skip


def trace_model(
    model: nn.Module, *input_shapes: Shape, order: Sequence[int] = (), kept: Sequence[bool] = ()
) -> Trace:
    """Run `model`, which is in evaluation mode, on one image and record its operators.

    Args:
        model: what is run.
        input_shapes: of its inputs, without the batch.
        order: for each argument of the model the input that it is; the inputs in turn if not given.
        kept: for each input whether it is needed when the model has run.
    """
    weights = [*model.parameters(), *model.buffers()]
    like = next((weight for weight in weights if weight.is_floating_point()), torch.empty(0, device="meta"))
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no formula; its parts do
    try:
        # Attention in parts, its weights among them, as runtimes without a kernel for all of it work;
        # torch itself takes one or the other by device and version.
        with torch.inference_mode(False), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            inputs = [
                torch.zeros((1, *shape), dtype=like.dtype, device=like.device) for shape in input_shapes
            ]
            trace = Trace(weights, inputs)
            with trace:
                output = model(*(inputs[i] for i in order or range(len(inputs))))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    trace.finish(output, [each for each, keep in zip(inputs, kept, strict=False) if keep])
    return trace


class Trace(TorchDispatchMode):
    """Records the operators that run inside it, and the lives of the buffers they read and make.

    A buffer is one version of a storage: an operator that works in place ends one version and
    starts the next. Its life spans the operator that makes it to the last one that reads it.
    """

    def __init__(self, weights: Iterable[Tensor], inputs: Iterable[Tensor]) -> None:
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
        self._flows: dict[int, Flows] = {}  # storage -> how the inputs reach it
        self._reached: Flows = ()
        inputs = list(inputs)
        self._inputs = len(inputs)
        for place, each in enumerate(inputs):
            self._make(each)
            self._flows[self._storage(each)] = tuple(
                START if i == place else None for i in range(len(inputs))
            )

    @property
    def flows(self) -> Flows:
        """How each input reaches the output; None for one that does not."""
        return self._reached

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Names of the operators whose MACs are missing."""
        return tuple(sorted(self._uncounted))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        counted, free = packet in flop_registry, _is_free(func)
        if not counted and not free:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = _run(func, args, kwargs)
        if counted:
            self._flops += flop_registry[packet](*args, **kwargs, out_val=result)
            self.macs = self._flops // 2
        elif not free:
            self._uncounted.add(str(packet))
        self._record(func, args, kwargs, result)
        self._follow(func, args, kwargs, result)
        return result

    def finish(self, output: Any, kept: Iterable[Tensor] = ()) -> None:
        """Keep the model's output, and other tensors, alive to the end."""
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        for tensor in (*tensors, *kept):
            self._touch(tensor, self._operators - 1)
        if tensors:
            self.output_shape = tuple(tensors[0].shape[1:])
            self._reached = self._flows.get(self._storage(tensors[0]), (None,) * self._inputs)

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

    def _follow(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Write down how the inputs reach what an operator has made or written to."""
        name = func._overloadpacket.__name__
        given = [self._storage(tensor) for tensor in _tensors((args, kwargs))]  # x + x are two ways
        reached = [self._flows[each] for each in given if each in self._flows]
        if not reached or name in CONSTANT_OPERATORS:
            return
        weighted = func._overloadpacket in flop_registry and any(
            self._buffers.get(each, 0) is None for each in given
        )
        passed = through(joined(reached), name, args, weighted)
        for tensor in [*_tensors(result), *_written(func, args, kwargs)]:
            self._flows[self._storage(tensor)] = passed

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


class _Form(NamedTuple):
    """All that a tensor without values is."""

    shape: Shape
    stride: Shape
    dtype: torch.dtype

    def tensor(self) -> Tensor:
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device="meta")


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """`func(*args, **kwargs)`; on tensors without values, remembered.

    Torch works out shapes in Python, a millisecond for a norm, and networks of one space repeat
    the same few operators at the same few shapes.
    """
    plain = not kwargs and not func.is_view and not func._schema.is_mutable
    if not plain or not all(isinstance(arg, (Tensor, int, float, bool, type(None), list)) for arg in args):
        return func(*args, **kwargs)
    forms = tuple(_form(arg) for arg in args)
    if None in forms:
        return func(*args)
    results = _result_forms(func, forms)
    if results is None:
        return func(*args)
    return results[0].tensor() if len(results) == 1 else tuple(form.tensor() for form in results)


def _form(arg: Any) -> Any:
    """The argument as a hashable value that says its type; None where there is no such value."""
    if isinstance(arg, Tensor):
        return _Form(tuple(arg.shape), arg.stride(), arg.dtype) if arg.is_meta else None
    if isinstance(arg, list):
        forms = tuple(_form(item) for item in arg)
        return None if None in forms else (list, forms)
    return (type(arg), arg)


def _argument(form: Any) -> Any:
    """The argument that `_form` described."""
    if isinstance(form, _Form):
        return form.tensor()
    kind, value = form
    return [_argument(item) for item in value] if kind is list else value


@lru_cache(maxsize=16_384)
def _result_forms(func: Any, forms: tuple[Any, ...]) -> tuple[_Form, ...] | None:
    """The forms of an operator's results; None unless they are new tensors, one or a tuple of them."""
    args = [_argument(form) for form in forms]
    result = func(*args)
    results = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(item, Tensor) and item.is_meta for item in results):
        return None
    storages = [tensor.untyped_storage()._cdata for tensor in [*_tensors(args), *results]]
    if len(set(storages)) < len(storages):  # an alias that is not declared a view
        return None
    return tuple(_Form(tuple(item.shape), item.stride(), item.dtype) for item in results)


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
