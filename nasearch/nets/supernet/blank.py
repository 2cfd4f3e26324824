"""Networks without weights: built quickly, for the shapes of their parameters, and copied quickly."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nasearch.errors import BuildError


class WithoutValues(TorchFunctionMode):
    """Inside, what layers make of `torch.empty` has a shape and no values, and is not filled.

    Parameters are made so, buffers such as running statistics are not; those have their values. Nothing
    is drawn from a random generator. Five times as fast as the meta device as torch's default one,
    where filling works out shapes in Python.
    """

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            return func(*args, **{**kwargs, "device": "meta"})
        name = getattr(func, "__name__", "")
        if name.endswith("_") and not name.endswith("__"):  # it works in place
            tensor = args[0] if args else kwargs.get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


class Mould:
    """A module without parameters, to make copies of: 30 times as fast as building it.

    What is neither a part nor a buffer of it is the same object in all copies, unless it holds parts.

    Args:
        module: taken over; its parameters are taken out, their names stay.

    Attributes:
        layers: how many parts it has, itself among them.

    Raises:
        BuildError: if it keeps parameters elsewhere too, where nobody can exchange them.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        parts = list(module.modules())
        self.layers = len(parts)
        self._is_plain = True
        for part in parts:
            for name, value in vars(part).items():
                if name == "_flat_weights" or (name != "_parameters" and _holds(value, nn.Parameter)):
                    raise BuildError(
                        f"{type(part).__name__}.{name} holds parameters besides the module's own; expected "
                        "parameters as attributes, which a supernet can share"
                    )
                self._is_plain &= name == "_modules" or not _holds(value, nn.Module)
        for part in parts:
            part._parameters.update(dict.fromkeys(part._parameters))

    def cast(self) -> nn.Module:
        """A copy, whose buffers are its own."""
        return _twin(self._module, {}) if self._is_plain else copy.deepcopy(self._module)


def _twin(module: nn.Module, made: dict[int, nn.Module]) -> nn.Module:
    if id(module) in made:
        return made[id(module)]
    twin = made[id(module)] = module.__new__(type(module))
    own = twin.__dict__  # written to as it is: `__setattr__` of a module is slow
    for name, value in module.__dict__.items():
        own[name] = value.copy() if isinstance(value, dict | set | list) else value  # hooks, among others
    for name, buffer in module._buffers.items():
        if buffer is not None:
            own["_buffers"][name] = buffer.clone()
    for name, part in module._modules.items():
        if part is not None:
            own["_modules"][name] = _twin(part, made)
    return twin


def _holds(value: Any, kind: type) -> bool:
    if isinstance(value, dict):
        return any(isinstance(each, kind) for each in value.values())
    if isinstance(value, list | tuple | set):
        return any(isinstance(each, kind) for each in value)
    return isinstance(value, kind)
