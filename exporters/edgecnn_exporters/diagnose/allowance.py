"""Allowed error of each node: float rounding, quantisation steps, rounded weights.

There is no fixed number of decimals: the allowed error follows from the node's own sums and from
the resolution of its precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point, points_of
from edgecnn_exporters.passes.graph import constant, is_quantised
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.encoding import LEVELS, along, quantise_weight, weight_scales

# Half a unit in the last place of float32 and of float16, relative.
ROUNDING = {"fp32": 2.0**-24, "fp16": 2.0**-11, "int8": 2.0**-24}
# A sum of n terms rounds n times; errors of random sign add up to √n of them. Kernels that sum in
# blocks round less often; Winograd's transforms multiply the error several times over.
WINOGRAD = 4.0
# Error of sigmoid, tanh, erf and exp where a kernel evaluates a polynomial: a few units.
POLYNOMIAL = 8.0
# Margin over rounding to nearest, in standard deviations. Sound weights may be rounded otherwise
# (7 bits, adaptive rounding and corrected biases differ by a factor of two), and the deviation of
# few values is itself uncertain.
SPREAD = 3.0
# The same of a sum whose result stays float, as the last one's: it has no step of its own, and its
# corrected bias makes up for what all layers before it shift.
SPREAD_OF_RESULT = 4.0
# Rounding does not shift all values alike by more than half a step.
SHIFT_STEPS = 0.55
# Calibration sees more samples than a diagnosis: its range may be so many times wider.
WIDER = 4.0
# A sound range clips no more than this share of the values, and holds this much of their span.
CLIPPED, SPANNED = 0.03, 0.75
# Integer kernels round the same sum to neighbouring steps; in every second value at most.
NEIGHBOUR = 0.75

Span = tuple[float, float]
PRODUCTS = {"Conv": 0, "Gemm": 0, "ConvTranspose": 1}


@dataclass(frozen=True)
class Allowance:
    """Allowed error of one value.

    Attributes:
        rms: root mean square over the value.
        shift: of the mean.
        reason: the source of the error, in words.
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
        ratio: to the allowed error; at most 1 is within it; infinite for another shape or NaN.
    """

    rms: float
    shift: float
    largest: float
    ratio: float

    @property
    def is_within(self) -> bool:
        return self.ratio <= 1.0


def measure_error(expected: Array, actual: Array, allowed: Allowance) -> Error:
    """Error of a value, (batch, …), relative to the allowed error."""
    if expected.shape != actual.shape:
        return Error(np.inf, np.inf, np.inf, np.inf)
    error = actual.astype(np.float64) - expected.astype(np.float64)
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
        reference: the graph that the candidate is compared with.
        precision: of the candidate.
        points: of the candidate.
        values: the reference's.
        twin: the values of the reference with its weights correctly rounded to the precision,
            each node computed from the reference's values; empty where nothing is rounded.
    """
    sums = float_errors(reference, values)
    own, spans = points_of(reference), _spans(points, values)
    allowed = {}
    for name, point in points.items():
        value = values[name]
        floor = sums.get(name, 0.0) * ROUNDING["fp32"]
        # A value of zeros only has no rounding error: the floor stays above zero.
        floor = max(floor, ROUNDING["fp32"] * float(np.abs(value).max()), 1e-30)
        if precision == "fp32":
            allowed[name] = Allowance(floor, floor, "float32 sums in another order")
            continue
        noise = twin[name] - value if name in twin else np.zeros(1)
        rounded = float(np.sqrt(np.square(noise, dtype=np.float64).mean()))
        moved = abs(float(noise.mean(dtype=np.float64)))
        if precision == "fp16":
            half = floor + SPREAD * rounded + ROUNDING["fp16"] * float(np.abs(value).max())
            allowed[name] = Allowance(half, half, "weights and result rounded to 11 bits")
            continue
        step = _step(point, own.get(name), spans[name])
        if own[name].encoding is not None or is_quantised(reference):
            rms = max(NEIGHBOUR * step, floor)
            reason = "integer kernels round to neighbouring steps"
            allowed[name] = Allowance(rms, max(SHIFT_STEPS * step, floor), reason)
            continue
        spread = SPREAD if step else SPREAD_OF_RESULT
        beyond = clipped(point, value)
        rms = spread * float(np.hypot(step / np.sqrt(12), rounded)) + floor + beyond
        # Weights are rounded channel by channel: the mean over few channels is uncertain too.
        channels = value.shape[1] if value.ndim > 1 else 1
        shift = SHIFT_STEPS * step + spread * (moved + rounded / np.sqrt(channels)) + floor + beyond
        allowed[name] = Allowance(
            rms, shift, "a step of 8 bits, and weights rounded channel by channel"
        )
    return allowed


def clipped(point: Point, value: Array) -> float:
    """Root mean square of what a sound range clips; 0 where it clips more than a sound one does.

    Ranges that serve most inputs best leave out the ends of a few.
    """
    if point.encoding is None:
        return 0.0
    low, high = point.encoding.range
    beyond = value - np.clip(value, low, high)
    span = max(float(value.max()), 0.0) - min(float(value.min()), 0.0)
    if np.count_nonzero(beyond) > CLIPPED * value.size or high - low < SPANNED * span:
        return 0.0
    return float(np.sqrt(np.square(beyond, dtype=np.float64).mean()))


def _spans(points: Mapping[str, Point], values: Mapping[str, Array]) -> dict[str, Span]:
    """Least and greatest number, zero included, of all values that share a value's encoding.

    The inputs of a Concat have one encoding for all of them, and some are much smaller than it.
    """
    own = {n: (min(float(values[n].min()), 0.0), max(float(values[n].max()), 0.0)) for n in points}
    alike: dict[object, list[Span]] = {}
    for name, point in points.items():
        alike.setdefault(point.encoding or name, []).append(own[name])
    return {
        name: (min(low for low, _ in spans), max(high for _, high in spans))
        for name, point in points.items()
        for spans in (alike[point.encoding or name],)
    }


def _step(point: Point, own: Point | None, span: Span) -> float:
    """Quantisation step of a value: the artefact's own, clamped to what is sound for the value."""
    low, high = span
    sound = (high - low) / LEVELS
    if own is not None and own.encoding is not None:
        return own.encoding.scale
    if point.encoding is None:
        return 0.0
    return float(np.clip(point.encoding.scale, sound, WIDER * sound)) if sound else 0.0


def float_errors(reference: ir.Model, values: Mapping[str, Array]) -> dict[str, float]:
    """Accumulated float rounding error of each value of a graph since the last value of `values`.

    In units of ROUNDING: ``(8 + 4 √n) · magnitude``, with n the terms of the node's sum and the
    magnitude of its partial sums.
    """
    errors: dict[str, float] = {}
    for node in reference.graph:
        inherited = max(
            (errors.get(str(v.name), 0.0) for v in node.inputs if v and v.name not in values),
            default=0.0,
        )
        inputs = [values[str(v.name)] for v in node.inputs if v and v.name in values]
        for output in node.outputs:
            name = str(output.name)
            largest_output = float(np.abs(values[name]).max()) if name in values else 0.0
            terms, magnitude = _sum_of(node, inputs, largest_output)
            gain = _gain(node)
            errors[name] = (POLYNOMIAL + WINOGRAD * np.sqrt(terms)) * magnitude + gain * inherited
    return errors


def _sum_of(node: ir.Node, inputs: list[Array], largest_output: float) -> tuple[int, float]:
    """Number of terms of a node's largest sum, and the magnitude of its partial sums."""
    largest_input = max((float(np.abs(array).max()) for array in inputs), default=largest_output)
    if node.op_type in PRODUCTS and len(node.inputs) > 1:
        weight = constant(node.inputs[1])
        if weight is not None:
            rows = np.moveaxis(weight, PRODUCTS[node.op_type], 0).reshape(
                weight.shape[PRODUCTS[node.op_type]], -1
            )
            reach = float(np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1)).max())
            return rows.shape[1], max(largest_output, reach * largest_input)
    if node.op_type in ("GlobalAveragePool", "ReduceMean", "AveragePool") and inputs:
        return int(np.prod(inputs[0].shape[2:])), max(largest_output, largest_input)
    return 1, max(largest_output, largest_input)


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
