"""Places where a network's forward takes values of its input out of PyTorch.

``if x.mean() > 0``, ``.item()``, ``.tolist()`` and ``.numpy()`` give Python a number that depends
on the picture. A tracer keeps the number of the one picture that it saw, and the exported graph
is wrong for others. In an eager run sizes are plain integers, so nothing that a forward computes
from shapes is among these places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.capture.source_lines import SourceLine, calling_line
from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ValueRead:
    """A line that reads values which depend on the input.

    Attributes:
        what: what becomes of them, in words.
        is_size: it reads a size that depends on the input's values (of what `nonzero` found), which
            a tracer follows as long as Python does not compute with it.
    """

    line: SourceLine
    what: str
    is_size: bool = False


BRANCH = "branches on them"
NUMBER = "makes Python numbers of them"
ARRAY = "makes a NumPy array or a constant of them"
SIZE = "computes with the number of elements that it finds"


def value_reads(module: torch.nn.Module, feed: Float32) -> list[ValueRead]:
    """Every line of the user's code that reads values of the input, once, in the order of the run.

    What only checks values is none: an ``assert``, an ``if`` that only raises, a printed value.
    """
    import torch

    record: dict[SourceLine, ValueRead] = {}
    traced = _Traced()
    functions, operators = _watch(traced, record)
    image = torch.from_numpy(feed.copy())
    traced.add_values([image])
    with torch.no_grad(), functions, operators:
        module(image)
    return list(record.values())


class _Traced:
    """The storages of tensors whose values, or sizes, depend on the input's values."""

    def __init__(self) -> None:
        self._values: set[Any] = set()
        self._sizes: set[Any] = set()

    def add_values(self, tensors: Sequence[torch.Tensor]) -> None:
        self._values |= {_storage(tensor) for tensor in tensors}

    def add_sizes(self, tensors: Sequence[torch.Tensor]) -> None:
        self._sizes |= {_storage(tensor) for tensor in tensors}

    def has_values(self, tensors: Sequence[torch.Tensor]) -> bool:
        return any(_storage(tensor) in self._values for tensor in tensors)

    def has_sizes(self, tensors: Sequence[torch.Tensor]) -> bool:
        return any(_storage(tensor) in self._sizes for tensor in tensors)


def _storage(tensor: torch.Tensor) -> Any:
    """An id of the tensor's memory, which no other one gets while it is kept."""
    from torch.multiprocessing.reductions import StorageWeakRef

    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call] # torch has no types for it


def _watch(traced: _Traced, record: dict[SourceLine, ValueRead]) -> tuple[Any, Any]:
    """The modes of PyTorch that see every function and every operator of a run."""
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    running: list[Any] = []
    scalar = torch.ops.aten._local_scalar_dense.default

    def note(what: str, *, is_size: bool = False) -> None:
        line = calling_line()
        if line is not None and (line not in record or record[line].is_size):
            record[line] = ValueRead(line, what, is_size)

    class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call] # its metaclass has none
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            outputs = func(*args, **(kwargs or {}))
            given = list(_tensors((args, kwargs)))
            if not traced.has_values(given):
                return outputs
            if torch.Tag.data_dependent_output in func.tags:
                if not (func is scalar and running and _is_traced(running[-1])):
                    note(BRANCH if isinstance(outputs, bool) else NUMBER)
            elif func.overloadpacket.__name__ not in _WITHOUT_VALUES:
                made = [*_tensors(outputs), *_changed(func, args, kwargs or {})]
                traced.add_values(made)
                if traced.has_sizes(given) or _finds(func, args):
                    traced.add_sizes(made)
            return outputs

    class Functions(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            given = list(_tensors((args, kwargs)))
            if func in _leaving() and traced.has_values(given):
                note(NUMBER if func is torch.Tensor.tolist else ARRAY)
            elif func in _measuring() and traced.has_sizes(given):
                note(SIZE, is_size=True)
            running.append(func)
            try:
                return func(*args, **(kwargs or {}))
            finally:
                running.pop()

    return Functions(), Operators()  # type: ignore[no-untyped-call] # nor has its constructor


# What has the shape of its input and none of its values.
_WITHOUT_VALUES = frozenset(
    (
        "zeros_like",
        "ones_like",
        "full_like",
        "empty_like",
        "rand_like",
        "randn_like",
        "new_zeros",
        "new_ones",
        "new_full",
        "new_empty",
        "new_empty_strided",
    )
)


def _leaving() -> tuple[Any, ...]:
    """Functions after which values are no longer PyTorch's, without an operator that says so."""
    import torch

    own = torch.Tensor
    return own.tolist, own.numpy, own.__array__, own.new_tensor, torch.tensor


def _measuring() -> tuple[Any, ...]:
    import torch

    own = torch.Tensor
    sizes = (own.size, own.numel, own.nelement, own.__len__, own.__iter__, torch.numel)
    return (*sizes, own.shape.__get__)  # type: ignore[attr-defined] # a property of the C class


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    import torch
    from torch.utils import _pytree

    return (leaf for leaf in _pytree.tree_leaves(values) if isinstance(leaf, torch.Tensor))


def _changed(func: Any, args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
    """The arguments that the operator writes into."""
    for index, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from _tensors(args[index] if index < len(args) else kwargs.get(argument.name))


def _finds(func: Any, args: Any) -> bool:
    """Whether the number of elements of the result depends on values: `nonzero`, `x[mask]`."""
    import torch

    if torch.Tag.dynamic_output_shape not in func.tags:
        return False
    if func.overloadpacket.__name__ == "index":
        return any(t.dtype in (torch.bool, torch.uint8) for t in _tensors(args[1]))
    return True


def _is_traced(func: Any) -> bool:
    """Whether a tracer follows the number that `func` reads: an index, a bound, a fill value."""
    import torch

    own = torch.Tensor
    conversions = (own.__bool__, own.__int__, own.__float__, own.__index__, own.__complex__)
    # Functions in Python may convert in their own code, those in C++ take tensors as arguments.
    return not (
        func in (*conversions, own.item, own.tolist, torch.is_nonzero, own.is_nonzero)
        or isinstance(func, FunctionType)
    )
