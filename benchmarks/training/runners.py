"""A step of learning by PyTorch and by a training graph in ONNX Runtime, side by side."""

from __future__ import annotations

from collections.abc import Mapping
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

    def _backward(self) -> float:
        self.optimiser.zero_grad()
        outputs = self.module(self.x)
        first = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        loss = nn.functional.cross_entropy(first, self.labels)
        loss.backward()
        return float(loss.detach())


class GraphStep:
    """A training graph in ONNX Runtime; what a step changes lies in two buffers in turn."""

    def __init__(
        self,
        graph: TrainingGraph,
        x: Float32,
        labels: Array,
        threads: int,
        rate: float = 0.01,
        profile: str = "",
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_profiling, options.profile_file_prefix = bool(profile), profile
        self.session = onnxruntime.InferenceSession(
            to_bytes(graph.model), options, providers=["CPUExecutionProvider"]
        )
        state = {str(value.name): _zeros(value) for value in graph.state}
        begin = {**graph.parameters, **graph.statistics, **state}
        now = {name: _value(array) for name, array in begin.items()}
        after = {name: _value(array) for name, array in begin.items()}
        fed = {
            graph.model.graph.inputs[0].name: _value(x),
            LABELS: _value(labels),
            RATE: _value(np.array(rate, np.float32)),
        }
        self.loss = _value(np.zeros((), np.float32))
        # A binding does not keep its inputs alive.
        self._fed, self._values = fed, [now, after]
        self._bindings = [self._bind(fed, now, after), self._bind(fed, after, now)]

    def step(self) -> float:
        """One step; the loss before it."""
        self.session.run_with_iobinding(self._bindings[0])
        self._bindings.reverse()
        self._values.reverse()
        return float(self.loss.numpy())

    def values(self) -> dict[str, Array]:
        """Parameters, state and statistics as they are now."""
        return {name: value.numpy().copy() for name, value in self._values[0].items()}

    def _bind(
        self, fed: Mapping[Any, Any], now: Mapping[str, Any], after: Mapping[str, Any]
    ) -> Any:
        binding = self.session.io_binding()
        for name, value in {**fed, **now}.items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_ortvalue_output(LOSS, self.loss)
        for name, value in after.items():
            binding.bind_ortvalue_output(f"{name}{NEXT}", value)
        return binding


def _zeros(value: ir.Value) -> Array:
    assert value.shape is not None
    assert value.dtype is not None
    return np.zeros(value.shape.numpy(), value.dtype.numpy())


def _value(array: Array) -> Any:
    """A value of its own: ONNX Runtime would use the array's memory."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.array(array, order="C"))
