"""FakeQuantize of an OpenVINO file, read back as QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.causes.channels import MATCH
from edgecnn_exporters.diagnose.openvino.reading import (
    NotReadable,
    Reading,
    Traced,
    fold,
    settle,
)
from edgecnn_exporters.diagnose.openvino.sums import Operand, numbers, traced
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_exporters.targets.openvino.requantise import IN_UNITS, power_of_two
from edgecnn_runtime.encoding import LEVELS

# Relative difference of two float32 that are the same number.
SAME = 1e-3
# Relative rounding error of the ends of a range in float32, in the step between them.
ROUNDING = 1e-5


def fake_quantise(reading: Reading, op: Any, operands: list[Operand]) -> Operand:
    """QuantizeLinear and DequantizeLinear, of the scale that the file has or else the reference."""
    low, high, out_low, out_high = (float(numbers(each).reshape(())) for each in operands[1:])
    names = _encoding_names(reading, op)
    if op.get_attributes()["levels"] != LEVELS + 1 or names is None:
        raise NotReadable("a FakeQuantize of another form")
    source = traced(operands[0])
    step, out_step = (high - low) / LEVELS, (out_high - out_low) / LEVELS
    is_integer = (out_low, out_high) == (0.0, float(LEVELS))
    is_in_units = not is_integer and _is_unit(out_step)
    own = _reference_scale(reading, names[0])
    stored = _stored_scale(op, own) if is_integer else None if is_in_units else out_step
    scale, value = _before(reading, op, source, names[0], stored)
    _call(reading, value, names[0])
    to_scale = _same(step if scale is None else scale * step, own)
    back_scale = _same(_same((scale or step) if stored is None else stored, own), to_scale)
    zero = round(-low / step)
    back_zero = zero if is_integer else round(-out_low / out_step)
    if is_integer and (stored_zero := _stored_zero(op)) is not None:
        back_zero = stored_zero
    read = _encode(reading, value, names, (to_scale, zero), (back_scale, back_zero))
    if not is_integer:
        return Traced(read, np.array(out_step / back_scale if is_in_units else 1.0))
    return Traced(read, np.array(1 / back_scale), np.array(float(back_zero)))


def _before(
    reading: Reading, op: Any, source: Traced, name: str, stored: float | None
) -> tuple[float | None, ir.Value]:
    """What is quantised, in reals, and the scale of its steps where the file has it in steps."""
    if op.input(0).get_source_output().get_node().get_type_name() != "Round":
        return None, settle(reading, source)
    scale = _scale_of_steps(reading, source, name, stored)
    factor, offset = source.factor * scale, source.offset * scale
    if fold(reading, source.value, factor, offset):
        return scale, source.value
    return scale, settle(reading, Traced(source.value, factor, offset))


def _same(scale: float, other: float | None) -> float:
    """`other` where the scale is the same but for the rounding of float32."""
    return scale if other is None or abs(scale / other - 1) > ROUNDING else other


def _encoding_names(reading: Reading, op: Any) -> tuple[str, str] | None:
    ports = [op.output(0)]
    for port in op.output(0).get_target_inputs():
        if port.get_node().get_type_name() == "Convert":
            ports.append(port.get_node().output(0))
    names = [name for port in ports for name in port.get_names() if name in reading.encoded]
    return reading.encoded[names[0]] if names else None


def _is_unit(scale: float) -> bool:
    """Whether a scale is a unit, a power of two (`RequantiseInSteps`); no calibrated one is."""
    mantissa, _ = np.frexp(scale)
    return bool(abs(mantissa - 0.5) < ROUNDING or abs(mantissa - 1) < ROUNDING)


def _stored_scale(op: Any, own: float | None) -> float | None:
    """The scale with which integers are dequantised; None where that happens in units alone.

    Where the integers are dequantised in several places, one that is not the reference's `own`.
    """
    scales = []
    pending = [port.get_node() for port in op.output(0).get_target_inputs()]
    while pending:
        node = pending.pop()
        if node.get_type_name() in ("Convert", "Subtract"):
            pending += [port.get_node() for port in node.output(0).get_target_inputs()]
        elif node.get_type_name() == "Multiply":
            factor = node.input(1).get_source_output().get_node()
            if factor.get_type_name() == "Constant" and factor.data.size == 1:
                scale = float(factor.data.reshape(()))
                names = {node.get_friendly_name(), *node.output(0).get_names()}
                if any(name.endswith(IN_UNITS) for name in names):
                    scale = np.nan if own is None else scale * own / float(_unit_of(own))
                scales.append(scale)
    known = [scale for scale in scales if np.isfinite(scale) and not _is_unit(scale)]
    other = [scale for scale in known if own is None or abs(scale / own - 1) > SAME]
    return next(iter([*other, *known]), None)


def _stored_zero(op: Any) -> int | None:
    """The zero point that is taken off the integers; None where there is not one."""
    for port in op.output(0).get_target_inputs():
        node = port.get_node()
        while node.get_type_name() == "Convert":
            readers = [each.get_node() for each in node.output(0).get_target_inputs()]
            if len(readers) != 1:
                break
            node = readers[0]
        if node.get_type_name() == "Subtract":
            taken = node.input(1).get_source_output().get_node()
            while taken.get_type_name() == "Convert":
                taken = taken.input(0).get_source_output().get_node()
            if taken.get_type_name() == "Constant" and taken.data.size == 1:
                return int(taken.data.reshape(()))
    return None


def _unit_of(scale: float) -> np.float32:
    return np.float32(power_of_two(np.float32(scale)))


def _scale_of_steps(reading: Reading, source: Traced, name: str, stored: float | None) -> float:
    """Scale of a result that the file rounds to steps, which it need not hold.

    The file's own, where its weights are then the reference's; else the reference's scale, or the
    one at which weight and bias both are the reference's.
    """
    own = _reference_scale(reading, name)
    if own is None:
        if stored is None:
            raise NotReadable("a result in steps without a scale")
        return stored
    ratios = _ratios(reading, source, name)
    if ratios is None:
        return own
    weight, bias = ratios
    for scale in (own, stored):
        if scale is not None and abs(weight * scale - 1) < MATCH / 2:
            return scale
    is_common = stored is None and bias is not None and abs(bias / weight - 1) < MATCH
    return 1 / weight if is_common else own


def _reference_scale(reading: Reading, name: str) -> float | None:
    value = reading.known.get(name)
    if value is None:
        value = next((v for v in reading.reference.graph.inputs if v.name == name), None)
    if value is None:
        return None
    for use in value.uses():
        if is_operator(use.node, "QuantizeLinear"):
            scale = constant(use.node.inputs[1])
            return None if scale is None or scale.size != 1 else float(scale.reshape(()))
    return None


def _ratios(reading: Reading, source: Traced, name: str) -> tuple[float, float | None] | None:
    """Weight and bias of a sum in steps, each as a multiple of the reference's reals."""
    own = _sum_before(reading.known.get(name))
    made = _sum_before(source.value)
    if own is None or made is None:
        return None
    original, found = reals(input_of(own, 1)), reals(input_of(made, 1))
    if original is None or found is None or original.shape != found.shape:
        return None
    channels = [-1, *[1] * (found.ndim - 1)]
    factor = np.broadcast_to(np.ravel(source.factor), len(found))
    weight = _median_ratio(found * factor.reshape(channels), original)
    biases = reals(input_of(own, 2)), reals(input_of(made, 2))
    if weight is None or any(each is None for each in biases) or biases[0].shape != biases[1].shape:  # type: ignore[union-attr]
        return None if weight is None else (weight, None)
    return weight, _median_ratio(biases[1] * factor, biases[0])


def _median_ratio(found: Any, original: Any) -> float | None:
    large = np.abs(original) > 0.1 * np.abs(original).max()
    if not large.any():
        return None
    ratio = float(np.median(found[large] / original[large]))
    return ratio if ratio > 0 else None


def _sum_before(value: ir.Value | None) -> ir.Node | None:
    node = None if value is None else value.producer()
    while node is not None and is_operator(node, "Relu", "Clip", "LeakyRelu"):
        node = None if node.inputs[0] is None else node.inputs[0].producer()
    return node if node is not None and is_operator(node, "Conv", "Gemm") else None


def _call(reading: Reading, value: ir.Value, name: str) -> None:
    """Give a value the reference's name."""
    node = value.producer()
    if node is not None and name not in reading.taken:
        reading.taken.add(name)
        value.name = node.name = name


def _encode(
    reading: Reading,
    value: ir.Value,
    names: tuple[str, str],
    to: tuple[float, int],
    back: tuple[float, int],
) -> ir.Value:
    def pair(label: str, scale: float, zero: int) -> list[ir.Value]:
        return [
            reading.constant(f"{names[0]}.{label}scale", np.array(scale, np.float32)),
            reading.constant(f"{names[0]}.{label}zero_point", np.array(zero, np.uint8)),
        ]

    first = pair("", *to)
    second = first if to == back else pair("back_", *back)
    integers = reading.add("QuantizeLinear", [value, *first], f"{names[0]}.quantised")
    integers.type = ir.TensorType(ir.DataType.UINT8)
    return reading.add("DequantizeLinear", [integers, *second], names[1])
