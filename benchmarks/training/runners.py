"""A step of learning by PyTorch and by a training graph in ONNX Runtime, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from torch import nn

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.gradient.training_graph import TrainingGraph
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.training import LABELS, LOSS, NEXT, RATE


def training_mode(module: nn.Module) -> nn.Module:
    """The module in training mode, dropout and stochastic depth left off."""
    module.train()
    for layer in module.modules():
        if not isinstance(layer, nn.modules.batchnorm._NormBase) and not list(layer.children()):
            layer.eval()
        if type(layer).__name__ in ("StochasticDepth", "DropPath"):
            layer.eval()
    return module


@contextmanager
def onednn(is_used: bool) -> Iterator[None]:
    """PyTorch's convolutions by oneDNN, or by its own matrix products."""
    was_used = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = is_used
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = was_used


class TorchStep:
    """Forward and backward pass and the optimiser's step, as PyTorch runs them eagerly."""

    def __init__(
        self, module: nn.Module, optimiser: torch.optim.Optimizer, x: Float32, labels: Array
    ) -> None:
        dtype = next(module.parameters()).dtype
        self.module, self.optimiser = training_mode(module), optimiser
        self.x, self.labels = torch.from_numpy(x).to(dtype), torch.from_numpy(labels)

    def gradients(self) -> tuple[float, dict[str, Array]]:
        """Loss and gradient of each parameter that changes it."""
        loss = self._backward()
        named = self.module.named_parameters()
        return loss, {
            name: each.grad.numpy().copy() for name, each in named if each.grad is not None
        }

    def parameters(self) -> dict[str, Array]:
        """Parameters as they are now."""
        return {name: each.detach().numpy() for name, each in self.module.named_parameters()}

    def step(self) -> float:
        """One step; the loss before it."""
        loss = self._backward()
        self.optimiser.step()
        return loss

    def after(self, steps: int) -> dict[str, Array]:
        """Parameters after some more steps."""
        for _ in range(steps):
            self.step()
        return self.parameters()

    def _backward(self) -> float:
        self.optimiser.zero_grad()
        outputs = self.module(self.x)
        first = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        loss = nn.functional.cross_entropy(first, self.labels)
        loss.backward()
        return float(loss.detach())


class GraphStep:
    """A training graph in ONNX Runtime; what a step changes lies in two buffers in turn.

    Args:
        watched: values of the graph that `seen` gives, outputs of it.
    """

    def __init__(
        self,
        graph: TrainingGraph,
        x: Float32,
        labels: Array,
        threads: int,
        rate: float = 0.01,
        profile: str = "",
        watched: Sequence[str] = (),
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_profiling, options.profile_file_prefix = bool(profile), profile
        self.session = onnxruntime.InferenceSession(
            to_bytes(graph.model), options, providers=["CPUExecutionProvider"]
        )
        self.graph, self._watched = graph, watched
        begin = self._beginning()
        now = {name: _value(array) for name, array in begin.items()}
        after = {name: _value(array) for name, array in begin.items()}
        self._image = str(graph.model.graph.inputs[0].name)
        fed = {
            self._image: _value(x),
            LABELS: _value(labels),
            RATE: _value(np.array(rate, np.float32)),
        }
        self.loss = _value(np.zeros((), np.float32))
        # A binding does not keep its inputs alive.
        self._fed, self._values = fed, [now, after]
        self._bindings = [self._bind(fed, now, after), self._bind(fed, after, now)]

    def begin(self, x: Float32, labels: Array) -> None:
        """Parameters, state and statistics as at first; other images of the same shape."""
        for name, array in self._beginning().items():
            self._values[0][name].update_inplace(array)
        self._fed[self._image].update_inplace(np.ascontiguousarray(x))
        self._fed[LABELS].update_inplace(np.ascontiguousarray(labels))

    def after(self, steps: int) -> dict[str, Array]:
        """Values after some more steps."""
        for _ in range(steps):
            self.step()
        return self.values()

    def step(self) -> float:
        """One step; the loss before it."""
        self.session.run_with_iobinding(self._bindings[0])
        self._bindings.reverse()
        self._values.reverse()
        return float(self.loss.numpy())

    def values(self) -> dict[str, Array]:
        """Parameters, state and statistics as they are now."""
        return {name: value.numpy().copy() for name, value in self._values[0].items()}

    def seen(self) -> list[Array]:
        """The watched values of the last step."""
        outputs = self._bindings[1].get_outputs()
        return [
            outputs[-len(self._watched) + number].numpy() for number in range(len(self._watched))
        ]

    def _beginning(self) -> dict[str, Array]:
        state = {str(value.name): _zeros(value) for value in self.graph.state}
        begin = {**self.graph.parameters, **self.graph.statistics, **state}
        return {name: np.ascontiguousarray(array) for name, array in begin.items()}

    def _bind(
        self, fed: Mapping[Any, Any], now: Mapping[str, Any], after: Mapping[str, Any]
    ) -> Any:
        binding = self.session.io_binding()
        for name, value in {**fed, **now}.items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_ortvalue_output(LOSS, self.loss)
        for name, value in after.items():
            binding.bind_ortvalue_output(f"{name}{NEXT}", value)
        for name in self._watched:
            binding.bind_output(name)
        return binding


def _zeros(value: ir.Value) -> Array:
    assert value.shape is not None
    assert value.dtype is not None
    return np.zeros(value.shape.numpy(), value.dtype.numpy())


def _value(array: Array) -> Any:
    """A value of its own: ONNX Runtime would use the array's memory."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.array(array, order="C"))
