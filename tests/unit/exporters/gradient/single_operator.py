"""One operator between a shift that is learnt and the loss: its gradients against two truths.

The gradient of the shift is that of the operator's input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from onnx import helper
from unit.exporters.gradient.support import GRADIENT, RATE, assert_like, model_of

from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph
from edgecnn_runtime.arrays import Array

SHIFT = "shift"


@dataclass(frozen=True)
class Case:
    """An operator with its attributes, and the same function of PyTorch.

    Attributes:
        x: shape of its first input.
        weights: shape of each further input, by name.
        torch: called with the shifted x and the weights.
        is_dynamic: the batch is not fixed; then one shift is for all images.
        frozen: inputs that are not learnt.
    """

    operator: str
    x: tuple[int, ...]
    torch: Callable[..., torch.Tensor]
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_dynamic: bool = False
    frozen: tuple[str, ...] = ()

    def arrays(self) -> dict[str, Array]:
        """Values of the shift and the weights, frozen ones positive (they are variances)."""
        random = np.random.default_rng(5)
        shift = (1, *self.x[1:]) if self.is_dynamic else self.x
        made = {
            name: random.standard_normal(shape).astype(np.float32)
            for name, shape in {SHIFT: shift, **self.weights}.items()
        }
        return made | {name: np.abs(made[name]) + np.float32(0.5) for name in self.frozen}

    def model(self) -> ir.Model:
        """The graph y = operator(x + shift, weights…)."""
        nodes = [
            helper.make_node("Add", ["x", SHIFT], ["shifted"], "add"),
            helper.make_node(
                self.operator, ["shifted", *self.weights], ["y"], "node", **self.attributes
            ),
        ]
        shape: Sequence[int | str] = ("N", *self.x[1:]) if self.is_dynamic else self.x
        return model_of(nodes, self.arrays(), shape)


class Step:
    """The training graph of a case under the mean squared error, for any parameters."""

    def __init__(self, case: Case) -> None:
        random = np.random.default_rng(7)
        self.case = case
        self.x = random.standard_normal(case.x).astype(np.float32)
        learn = ",".join(name for name in (SHIFT, *case.weights) if name not in case.frozen)
        self.made = training_graph(
            case.model(), TrainingRequest(learn, "mean_squared_error", GRADIENT)
        )
        content = ir.to_proto(self.made.model).SerializeToString()
        self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.target = random.standard_normal(self._torch(torch.float32)[0].shape).astype(np.float32)

    def run(self, parameters: Mapping[str, Array]) -> tuple[float, dict[str, Array]]:
        """Loss and gradients."""
        feeds = {"x": self.x, "learn.labels": self.target, "learn.rate": np.array(RATE, np.float32)}
        names = ["learn.loss", *(f"{name}.next" for name in parameters)]
        loss, *following = self._session.run(names, {**parameters, **feeds})
        changes = zip(parameters.items(), following, strict=True)
        return float(loss), {name: (old - new) / RATE for (name, old), new in changes}

    def torch_gradients(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Gradients of PyTorch's own function."""
        output, tensors = self._torch(dtype)
        torch.nn.functional.mse_loss(output, torch.tensor(self.target, dtype=dtype)).backward()
        return {name: tensors[name].grad for name in self.made.parameters}  # type: ignore[misc] # all lead to the loss

    def _torch(self, dtype: torch.dtype) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        tensors = {
            name: torch.tensor(array, dtype=dtype, requires_grad=True)
            for name, array in self.case.arrays().items()
        }
        weights = [tensors[name] for name in self.case.weights]
        shifted = torch.tensor(self.x, dtype=dtype) + tensors[SHIFT]
        return self.case.torch(shifted, *weights), tensors


def assert_pytorchs(case: Case) -> None:
    """The gradients of all parameters are PyTorch's, as `assert_like` has it."""
    step = Step(case)
    _, ours = step.run(step.made.parameters)
    exact, single = (step.torch_gradients(dtype) for dtype in (torch.float64, torch.float32))
    for name, gradient in ours.items():
        assert gradient.shape == exact[name].shape
        assert_like(gradient, exact[name], single[name])


def assert_slopes(case: Case, size: float = 1e-2) -> None:
    """The loss changes along a direction of chance as the gradients say, by central differences.

    Args:
        size: of the step; the error of a difference is that of the loss in float32 by this.
    """
    step, random = Step(case), np.random.default_rng(9)
    begin = step.made.parameters
    _, gradients = step.run(begin)
    for name, gradient in gradients.items():
        direction = np.sign(random.standard_normal(gradient.shape)).astype(np.float32)
        ends = [
            step.run({**begin, name: (begin[name] + sign * size * direction).astype(np.float32)})[0]
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * size)
        assert abs(slope - float((gradient * direction).sum())) <= 2e-3 * np.abs(gradient).sum()
