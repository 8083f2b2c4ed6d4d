"""Reader of an OpenVINO file as an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.causes.channels import MATCH
from edgecnn_exporters.diagnose.openvino.operators import READERS, Operand, numbers, traced
from edgecnn_exporters.diagnose.openvino.reading import (
    NotReadable,
    Numbers,
    Reading,
    Traced,
    fold,
    settle,
)
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_exporters.quantise.encoding import LEVELS
from edgecnn_exporters.targets.openvino.requantise import name_in_units

OPSET = {"": 20}
# Relative difference of two float32 that are the same number.
SAME = 1e-3
# Relative rounding error of the ends of a range in float32, in the step between them.
ROUNDING = 1e-5


def read_openvino(model: Any, reference: ir.Model) -> ir.Model:
    """An ``openvino.Model`` as an ONNX graph, its values named as in `reference`.

    Raises:
        NotReadable: it has an operator, or a form of one, that is not translated.
    """
    reading = Reading(reference, _encoded_names(reference))
    known: dict[tuple[str, int], Operand] = {}
    for op in model.get_ordered_ops():
        kind, port = op.get_type_name(), op.get_friendly_name()
        if kind == "Result":
            continue
        operands = [
            known[each.get_source_output().get_node().get_friendly_name(),
                  each.get_source_output().get_index()]
            for each in op.inputs()
        ]  # fmt: skip
        known[port, 0] = _read(reading, op, operands)
    outputs = []
    for result in model.outputs:
        source = result.get_node().input(0).get_source_output()
        operand = traced(known[source.get_node().get_friendly_name(), source.get_index()])
        outputs.append(settle(reading, operand, result.any_name))
    return _graph(reading, outputs)


def _read(reading: Reading, op: Any, operands: list[Operand]) -> Operand:
    kind = op.get_type_name()
    if kind == "Parameter":
        name = op.output(0).any_name
        value = ir.Value(name=reading.free(name), type=ir.TensorType(ir.DataType.FLOAT))
        extents = op.output(0).get_partial_shape()
        value.shape = ir.Shape(["N", *(d.get_length() for d in list(extents)[1:])])
        reading.inputs.append(value)
        return Traced(value)
    if kind == "Constant":
        return Numbers(op.data)
    if kind == "FakeQuantize":
        return _fake_quantise(reading, op, operands)
    # A MaxPool has its indices as a second output.
    if kind not in READERS or (len(op.outputs()) != 1 and kind != "MaxPool"):
        raise NotReadable(f"operator {kind}")
    name = _name(reading, op)
    read = READERS[kind](reading, op, operands, name)
    names = op.output(0).get_names()
    if isinstance(read, Traced) and not reading.encoded.keys() & names:
        own = [each for each in names if each in _values(reading.reference)]
        is_shared = len(op.output(0).get_target_inputs()) > 1
        is_pending = bool(np.any(read.factor != 1) or np.any(read.offset != 0))
        if own and is_pending:
            # The reference has this number too: what is pending is part of it.
            read = Traced(settle(reading, read, own[0]))
        elif is_shared and is_pending and fold(reading, read.value, read.factor, read.offset):
            read = Traced(read.value)
        if is_shared:
            reading.shared.add(read.value)
    return read


def _name(reading: Reading, op: Any) -> str:
    """The reference's name of a value, or the operator's own."""
    values = _values(reading.reference)
    for name in sorted(op.output(0).get_names()):
        if name in values:
            return str(name)
    return str(op.get_friendly_name())


def _values(model: ir.Model) -> dict[str, ir.Value]:
    return {str(value.name): value for node in model.graph for value in node.outputs}


def _encoded_names(reference: ir.Model) -> dict[str, tuple[str, str]]:
    """Names of a value and of its 8-bit form, by each name that the latter may have in a file."""
    names: dict[str, tuple[str, str]] = {}
    for node in reference.graph:
        if not is_operator(node, "QuantizeLinear") or node.inputs[0] is None:
            continue
        for use in node.outputs[0].uses():
            back = str(use.node.outputs[0].name)
            pair = str(node.inputs[0].name), back
            for name in (str(node.outputs[0].name), back, name_in_units(back)):
                names[name] = pair
    return names


def _fake_quantise(reading: Reading, op: Any, operands: list[Operand]) -> Operand:
    """QuantizeLinear and DequantizeLinear, of the scale that the file has or else the reference."""
    low, high, out_low, out_high = (float(numbers(each).reshape(())) for each in operands[1:])
    names = _encoding_names(reading, op)
    if op.get_attributes()["levels"] != LEVELS + 1 or names is None:
        raise NotReadable("a FakeQuantize of another form")
    source = traced(operands[0])
    step, out_step = (high - low) / LEVELS, (out_high - out_low) / LEVELS
    is_integer = (out_low, out_high) == (0.0, float(LEVELS))
    is_in_units = not is_integer and _is_unit(out_step)
    stored = _stored_scale(op) if is_integer else None if is_in_units else out_step
    in_steps = abs(step - 1) < SAME and _is_scaled(source)
    scale, value = step, source.value
    if in_steps:
        scale = _scale_of_steps(reading, source, names[0], stored)
        factor, offset = source.factor * scale, source.offset * scale
        if not fold(reading, source.value, factor, offset):
            value = settle(reading, Traced(source.value, factor, offset))
    else:
        value = settle(reading, source)
    _call(reading, value, names[0])
    zero = round(-low / step)
    own = _reference_scale(reading, names[0])
    scale = _same(scale, own)
    back_scale = _same(_same(scale if stored is None else stored, own), scale)
    back_zero = zero if is_integer else round(-out_low / out_step)
    read = _encode(reading, value, names, (scale, zero), (back_scale, back_zero))
    if not is_integer:
        return Traced(read, np.array(out_step / back_scale if is_in_units else 1.0))
    return Traced(read, np.array(1 / back_scale), np.array(float(zero)))


def _same(scale: float, other: float | None) -> float:
    """`other` where the scale is the same but for the rounding of float32."""
    return scale if other is None or abs(scale / other - 1) > ROUNDING else other


def _is_scaled(source: Traced) -> bool:
    return bool(np.any(source.factor != 1))


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


def _stored_scale(op: Any) -> float | None:
    """The scale with which integers are dequantised; None where that happens in units alone."""
    pending = [port.get_node() for port in op.output(0).get_target_inputs()]
    while pending:
        node = pending.pop()
        if node.get_type_name() in ("Convert", "Subtract"):
            pending += [port.get_node() for port in node.output(0).get_target_inputs()]
        elif node.get_type_name() == "Multiply":
            factor = node.input(1).get_source_output().get_node()
            if factor.get_type_name() == "Constant" and factor.data.size == 1:
                scale = float(factor.data.reshape(()))
                if not _is_unit(scale):
                    return scale
    return None


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
    value = _values(reading.reference).get(name)
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
    own = _sum_before(_values(reading.reference).get(name))
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


def _graph(reading: Reading, outputs: list[ir.Value]) -> ir.Model:
    constants: dict[str, ir.Value] = {}
    for node in reading.nodes:
        for value in node.inputs:
            if value is not None and value.const_value is not None:
                constants[str(value.name)] = value
    graph = ir.Graph(
        reading.inputs,
        outputs,
        nodes=reading.nodes,
        initializers=list(constants.values()),
        opset_imports=dict(OPSET),
        name="openvino",
    )
    return ir.Model(graph, ir_version=10)
