"""Trace of a network: its operations in order, with shapes and no arithmetic."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from edgecnn_runtime.errors import EdgeCNNError, first_line


@dataclass(frozen=True)
class Value:
    """One tensor that depends on the network's input.

    Attributes:
        buffer: number of the memory that it lies in; a view has its base's.
        size_bytes: of that memory.
    """

    shape: tuple[int, ...]
    buffer: int
    size_bytes: int


@dataclass(frozen=True)
class Operation:
    """One ATen operator that read a value, as PyTorch ran it in inference mode.

    Attributes:
        name: ``conv2d``, without overload and without the underscore of an in-place form.
        module: path of the module that ran it.
        inputs, outputs: indices of values.
        arguments: what is no tensor, by the name that the operator's schema gives it.
        constants: shapes of the tensors that do not depend on the input, by the same names.
        parameters: trainable numbers that nothing before it has read.
    """

    name: str
    module: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arguments: Mapping[str, Any]
    constants: Mapping[str, tuple[int, ...]]
    parameters: int


@dataclass(frozen=True)
class Trace:
    """One run of a network. Value 0 is its input."""

    values: tuple[Value, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[int, ...]


def trace(network: nn.Module, shape: tuple[int, int, int]) -> Trace:
    """Run the network once in evaluation mode, batch 1, and record what it does.

    It runs on PyTorch's meta device, which knows shapes and computes nothing. A network that cannot
    run there, because it looks at numbers to decide what to do, runs on the CPU on zeros.

    Args:
        shape: (channels, height, width) of the input.

    Raises:
        EdgeCNNError: the network does not run on that input, or its output does not depend on it.
    """
    try:
        return trace_shapes(network, shape)
    except Exception as error:  # a user's forward may raise anything
        failure = error
    if not any(tensor.is_meta for tensor in _state(network).values()):
        try:
            return _record(network, dict(_state(network)), torch.zeros(1, *shape))
        except Exception as error:
            failure = error
    size = "x".join(map(str, (1, *shape)))
    raise EdgeCNNError(
        f"the network does not run on an input of {size}: {first_line(failure)}"
    ) from failure


def trace_shapes(network: nn.Module, shape: tuple[int, int, int]) -> Trace:
    """As `trace`, on the meta device alone; the network's own tensors are not touched.

    Raises:
        Exception: whatever the network's forward raises.
    """
    meta = {name: tensor.to("meta") for name, tensor in _state(network).items()}
    return _record(network, meta, torch.empty(1, *shape, device="meta"))


def _state(network: nn.Module) -> dict[str, torch.Tensor]:
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _record(network: nn.Module, state: dict[str, torch.Tensor], image: torch.Tensor) -> Trace:
    names = dict(network.named_parameters())
    recorder = _Recorder(image, [state[name] for name in names])
    with _evaluating(network), recorder.following(network), torch.inference_mode(), recorder:
        answer = torch.func.functional_call(network, state, (image,))
    outputs = tuple(
        recorder.known[id(tensor)] for tensor in _tensors(answer) if id(tensor) in recorder.known
    )
    if not outputs:
        raise EdgeCNNError("the network's output does not depend on its input")
    return Trace(tuple(recorder.values), tuple(recorder.operations), outputs)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch annotates neither
    """Recorder of operators; in inference mode before PyTorch decomposes composite ones."""

    def __init__(self, image: torch.Tensor, parameters: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.unread = {id(parameter): parameter for parameter in parameters}
        self.pending = 0
        self.modules = [""]
        # Tensors by storage. To hold them keeps an id from being given to a second tensor.
        self.sharing: dict[int, list[torch.Tensor]] = {}
        self.buffers = 0
        self.values: list[Value] = []
        self.known: dict[int, int] = {}
        self.operations: list[Operation] = []
        self._learn(image, self._buffer())

    @contextlib.contextmanager
    def following(self, network: nn.Module) -> Iterator[None]:
        """Track the module that is running."""
        hooks = []
        for name, module in network.named_modules():
            hooks.append(
                module.register_forward_pre_hook(lambda *_, name=name: self.modules.append(name))
            )
            hooks.append(module.register_forward_hook(lambda *_: self._leave(), always_call=True))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _leave(self) -> None:
        self.modules.pop()

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operator(*args, **(kwargs or {}))
        named = _bind(operator, args, kwargs or {})
        for tensor in _tensors(list(named.values())):
            if self.unread.pop(id(tensor), None) is not None:
                self.pending += tensor.numel()
        read = [tensor for tensor in _tensors(list(named.values())) if id(tensor) in self.known]
        if read:
            self._see(operator, named, read, list(_tensors(result)))
        for tensor in _tensors(result):
            self.sharing.setdefault(_storage(tensor), []).append(tensor)
        return result

    def _see(
        self,
        operator: Any,
        named: Mapping[str, Any],
        read: list[torch.Tensor],
        results: list[torch.Tensor],
    ) -> None:
        buffers = {_storage(t): self.values[self.known[id(t)]].buffer for t in read}
        inputs = [self.known[id(tensor)] for tensor in read]
        if operator._schema.is_mutable:
            # What is written is new, also where it is seen through another view of its memory.
            written = {_storage(tensor) for tensor in results}
            seen = {id(t): t for key in written for t in self.sharing.get(key, [])}
            inputs += [self.known[key] for key in seen if key in self.known]
            results = list(({id(tensor): tensor for tensor in results} | seen).values())
            buffers = {}
        outputs = []
        for tensor in results:
            if id(tensor) in self.known and not operator._schema.is_mutable:
                continue  # dropout in evaluation returns what it was given
            buffer = buffers.setdefault(_storage(tensor), self._buffer())
            outputs.append(self._learn(tensor, buffer))
        if not outputs:
            return
        self.operations.append(
            Operation(
                name=operator._schema.name.partition("::")[2].removesuffix("_"),
                module=self.modules[-1],
                inputs=tuple(dict.fromkeys(inputs)),
                outputs=tuple(outputs),
                arguments={k: v for k, v in named.items() if not any(True for _ in _tensors(v))},
                constants={
                    name: tuple(value.shape)
                    for name, value in named.items()
                    if isinstance(value, torch.Tensor) and id(value) not in self.known
                },
                parameters=self.pending,
            )
        )
        self.pending = 0

    def _buffer(self) -> int:
        self.buffers += 1
        return self.buffers

    def _learn(self, tensor: torch.Tensor, buffer: int) -> int:
        size_bytes = tensor.untyped_storage().nbytes()
        self.values.append(Value(tuple(tensor.shape), buffer, size_bytes))
        self.known[id(tensor)] = len(self.values) - 1
        self.sharing.setdefault(_storage(tensor), []).append(tensor)
        return self.known[id(tensor)]


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _bind(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by the names of the operator's schema, defaults included."""
    schema = operator._schema.arguments
    bound = {a.name: a.default_value for a in schema if a.has_default_value()}
    return bound | {a.name: v for a, v in zip(schema, args, strict=False)} | dict(kwargs)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in lists, tuples and dictionaries, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
