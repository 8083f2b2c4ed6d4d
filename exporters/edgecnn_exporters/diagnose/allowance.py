"""Allowed error of each node: float rounding, quantisation steps, rounded weights.

Nothing here is a bare number of decimals: what is allowed follows from the node's own sums and
from what its precision can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point, points_of
from edgecnn_exporters.passes.graph import constant, is_quantised
from edgecnn_exporters.quantise.encoding import LEVELS, along, quantise_weight, weight_scales
from edgecnn_runtime.arrays import Array

# Half a unit in the last place of float32 and of float16, relative.
ROUNDING = {"fp32": 2.0**-24, "fp16": 2.0**-11, "int8": 2.0**-24}
# A sum of n terms rounds n times; errors of random sign add up to √n of them. Kernels that sum in
# blocks round less often; Winograd's transforms multiply the error several times over.
WINOGRAD = 4.0
# What sigmoid, tanh, erf and exp are off by where a kernel takes a polynomial: a few units.
POLYNOMIAL = 8.0
# Over rounding to the nearest, in deviations. Rounding weights one by one is not the best that
# can be done (7 bits, adaptive rounding and corrected biases differ by a factor of two), and of
# few values the deviation itself is uncertain.
SPREAD = 3.0
# A shift of all values alike is no rounding; half a step is the most that one leaves.
SHIFT_STEPS = 0.55
# Calibration sees more samples than a diagnosis: its range, and so its step, may be wider.
WIDER = 4.0
# Integer kernels round the same sum to neighbouring steps; of 1 in 2 values at the very most.
NEIGHBOUR = 0.75

PRODUCTS = {"Conv": 0, "Gemm": 0, "ConvTranspose": 1}


@dataclass(frozen=True)
class Allowance:
    """Allowed error of one value.

    Attributes:
        rms: root mean square over the value.
        shift: of the mean.
        reason: where these come from.
    """

    rms: float
    shift: float
    reason: str


@dataclass(frozen=True)
class Error:
    """Error of one value, and its ratio to the allowed error.

    Attributes:
        rms: root mean square.
        shift: of the mean.
        largest: of all magnitudes.
        ratio: 1 is as much as is allowed; infinite for another shape, or NaN.
    """

    rms: float
    shift: float
    largest: float
    ratio: float

    @property
    def is_within(self) -> bool:
        return self.ratio <= 1.0


def judge(expected: Array, found: Array, allowed: Allowance) -> Error:
    """The error of a value, (batch, …), against what is allowed."""
    if expected.shape != found.shape:
        return Error(np.inf, np.inf, np.inf, np.inf)
    error = found.astype(np.float64) - expected.astype(np.float64)
    rms = float(np.sqrt(np.square(error).mean()))
    shift, largest = float(error.mean()), float(np.abs(error).max())
    ratio = float(max(rms / allowed.rms, abs(shift) / allowed.shift))
    return Error(rms, shift, largest, ratio if np.isfinite(ratio) else np.inf)


def allowances(
    reference: ir.Model,
    precision: str,
    points: Mapping[str, Point],
    values: Mapping[str, Array],
    twin: Mapping[str, Array],
) -> dict[str, Allowance]:
    """Allowed error of each value of a candidate whose nodes are isolated.

    Args:
        reference: what it is held against.
        precision: of the suspect.
        points: of the suspect.
        values: the reference's.
        twin: the values of the reference with its weights soundly rounded to the precision, each
            node computed from the reference's values; empty where nothing is rounded.
    """
    sums = float_errors(reference, values)
    own = points_of(reference)
    found = {}
    for name, point in points.items():
        value = values[name]
        floor = sums.get(name, 0.0) * ROUNDING["fp32"]
        # Of a value that is nothing but zero: one unit of the smallest that float32 can tell.
        floor = max(floor, ROUNDING["fp32"] * float(np.abs(value).max()), 1e-30)
        if precision == "fp32":
            found[name] = Allowance(floor, floor, "float32 sums in another order")
            continue
        noise = twin[name] - value if name in twin else np.zeros(1)
        rounded = float(np.sqrt(np.square(noise, dtype=np.float64).mean()))
        moved = abs(float(noise.mean(dtype=np.float64)))
        if precision == "fp16":
            half = floor + SPREAD * rounded + ROUNDING["fp16"] * float(np.abs(value).max())
            found[name] = Allowance(half, half, "weights and result rounded to 11 bits")
            continue
        step = _step(point, own.get(name), value)
        if own[name].encoding is not None or is_quantised(reference):
            rms = max(NEIGHBOUR * step, floor)
            reason = "integer kernels round to neighbouring steps"
            found[name] = Allowance(rms, max(SHIFT_STEPS * step, floor), reason)
            continue
        rms = SPREAD * float(np.hypot(step / np.sqrt(12), rounded)) + floor
        # Weights are rounded channel by channel: of few channels the mean is uncertain too.
        channels = value.shape[1] if value.ndim > 1 else 1
        shift = SHIFT_STEPS * step + SPREAD * (moved + rounded / np.sqrt(channels)) + floor
        found[name] = Allowance(
            rms, shift, "a step of 8 bits, and weights rounded channel by channel"
        )
    return found


def _step(point: Point, own: Point | None, value: Array) -> float:
    """Quantisation step of a value: the artefact's own, clamped to what is sound for the value."""
    low, high = min(float(value.min()), 0.0), max(float(value.max()), 0.0)
    sound = (high - low) / LEVELS
    if own is not None and own.encoding is not None:
        return own.encoding.scale
    if point.encoding is None:
        return 0.0
    return float(np.clip(point.encoding.scale, sound, WIDER * sound)) if sound else 0.0


def float_errors(reference: ir.Model, values: Mapping[str, Array]) -> dict[str, float]:
    """Accumulated float rounding error of each value of a graph since the last value of `values`.

    In units of ROUNDING: ``(8 + 4 √n) · magnitude``, with n terms of the node's sum and the
    magnitude that its partial sums reach.
    """
    found: dict[str, float] = {}
    for node in reference.graph:
        inherited = max(
            (found.get(str(v.name), 0.0) for v in node.inputs if v and v.name not in values),
            default=0.0,
        )
        given = [values[str(v.name)] for v in node.inputs if v and v.name in values]
        for output in node.outputs:
            name = str(output.name)
            made = float(np.abs(values[name]).max()) if name in values else 0.0
            terms, magnitude = _sum_of(node, given, made)
            gain = _gain(node)
            found[name] = (POLYNOMIAL + WINOGRAD * np.sqrt(terms)) * magnitude + gain * inherited
    return found


def _sum_of(node: ir.Node, given: list[Array], made: float) -> tuple[int, float]:
    """Terms of the largest sum that a node takes, and how large its partial sums become."""
    largest = max((float(np.abs(array).max()) for array in given), default=made)
    if node.op_type in PRODUCTS and len(node.inputs) > 1:
        weight = constant(node.inputs[1])
        if weight is not None:
            rows = np.moveaxis(weight, PRODUCTS[node.op_type], 0).reshape(
                weight.shape[PRODUCTS[node.op_type]], -1
            )
            reach = float(np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1)).max())
            return rows.shape[1], max(made, reach * largest)
    if node.op_type in ("GlobalAveragePool", "ReduceMean", "AveragePool") and given:
        return int(np.prod(given[0].shape[2:])), max(made, largest)
    return 1, max(made, largest)


def _gain(node: ir.Node) -> float:
    """Gain of a node: the factor by which it amplifies its input's error."""
    if node.op_type in PRODUCTS and len(node.inputs) > 1:
        weight = constant(node.inputs[1])
        if weight is not None:
            return float(np.sqrt(np.square(weight, dtype=np.float64).sum() / len(weight)))
    return 1.0


def round_soundly(model: ir.Model, precision: str) -> ir.Model | None:
    """A copy with every weight correctly rounded to the precision; None for fp32.

    int8: symmetric, one scale for each output channel; fp16: to the nearest.
    """
    if precision == "fp32" or is_quantised(model):
        return None
    copy = model.clone()
    for node in copy.graph:
        axis = PRODUCTS.get(node.op_type)
        weight = constant(node.inputs[1]) if axis is not None else None
        if axis is None or weight is None:
            continue
        if node.op_type == "Gemm" and not node.attributes.get_int("transB", 0):
            axis = 1
        value = ir.tensor(_rounded(weight.astype(np.float32), precision, axis))
        node.replace_input_with(1, _constant(copy.graph, f"{node.name}.sound", value))
    return copy


def _rounded(weight: Array, precision: str, axis: int) -> Array:
    if precision == "fp16":
        return weight.astype(np.float16).astype(np.float32)
    scale = weight_scales(weight, axis)
    integers = quantise_weight(weight, scale, axis).integers
    rounded: Array = integers.astype(np.float32) * along(scale, weight.ndim, axis)
    return rounded


def _constant(graph: ir.Graph, name: str, tensor: ir.TensorProtocol) -> ir.Value:
    value = ir.Value(name=name, const_value=tensor, type=ir.TensorType(ir.DataType.FLOAT))
    value.shape = ir.Shape(tensor.numpy().shape)
    graph.register_initializer(value)
    return value
