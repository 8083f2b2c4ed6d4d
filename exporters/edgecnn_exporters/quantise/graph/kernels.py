"""Integer kernels of ONNX Runtime against the arithmetic of the QDQ graph, operator by operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_runtime.arrays import Array, Float32

# Halves that lie between two integers are rounded to either.
MOST_STEPS = 1


@dataclass(frozen=True)
class KernelDeviation:
    """An operator whose integer kernel computes something else than the graph says.

    Attributes:
        steps: the largest deviation, in steps of the output's encoding.
    """

    node: str
    operator: str
    steps: int

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}, {self.steps} steps)"


def find_deviations(qdq: ir.Model, samples: Iterable[Float32]) -> list[KernelDeviation]:
    """The operators whose kernels deviate by more than a step from the same inputs.

    Both sides read the 8-bit values that the kernels themselves have made, so that a deviation is
    the operator's own.
    """
    held = _held_values(qdq.graph)
    if not held:
        return []
    real = ValueProbe(qdq, list(held), kernels=True)
    forced, given = _with_inputs(qdq, list(held))
    expected = ValueProbe(forced, list(held))
    worst = dict.fromkeys(held, 0)
    (source,) = qdq.graph.inputs
    for sample in samples:
        integers: Mapping[str, Array] = real.run(sample)
        feeds = {given[name]: integers[name] for name in held}
        right = expected.run_all({str(source.name): sample, **feeds})
        for name in held:
            distance = np.abs(integers[name].astype(np.int32) - right[name].astype(np.int32))
            worst[name] = max(worst[name], int(distance.max(initial=0)))
    return [
        KernelDeviation(str(node.name), node.op_type, worst[name])
        for name, node in held.items()
        if worst[name] > MOST_STEPS
    ]


def _held_values(graph: ir.Graph) -> dict[str, ir.Node]:
    """The 8-bit values by name, each with the operator that makes it; those of inputs left out."""
    held = {}
    for node in graph:
        value = node.inputs[0] if is_operator(node, "QuantizeLinear") else None
        maker = value.producer() if value is not None else None
        while maker is not None and is_operator(maker, "Relu", "Clip"):
            before = maker.inputs[0].producer() if maker.inputs[0] is not None else None
            if before is None or is_operator(before, "DequantizeLinear"):
                break
            maker = before
        if maker is not None and constant(value) is None:
            held[str(node.outputs[0].name)] = maker
    return held


def _with_inputs(qdq: ir.Model, names: list[str]) -> tuple[ir.Model, dict[str, str]]:
    """A copy whose 8-bit values are read from inputs of the graph, with the inputs' names."""
    copy = qdq.clone()
    values = {str(output.name): output for node in copy.graph for output in node.outputs}
    given = {}
    for name in names:
        value = values[name]
        stand_in = ir.Value(name=f"{name}.given", type=value.type, shape=value.shape)
        for use in list(value.uses()):
            use.node.replace_input_with(use.idx, stand_in)
        copy.graph.inputs.append(stand_in)
        given[name] = str(stand_in.name)
    return copy, given
