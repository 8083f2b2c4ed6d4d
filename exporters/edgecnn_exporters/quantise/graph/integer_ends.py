"""Integer form of a QDQ graph's ends: uint8 inputs and outputs, no conversion in the graph."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant, is_operator, maker


def uint8_ends(model: ir.Model) -> tuple[ir.Model, dict[str, tuple[float, int]]]:
    """A copy of a QDQ graph with uint8 inputs and outputs; (scale, zero point) of each, by name.

    Raises:
        UnsupportedModel: an input or an output is not held in 8 bits.
    """
    copy = model.clone()
    encodings: dict[str, tuple[float, int]] = {}
    for value in copy.graph.inputs:
        (to,) = readers if len(readers := [use.node for use in value.uses()]) == 1 else (None,)
        if to is None or not is_operator(to, "QuantizeLinear"):
            raise _float_input(value)
        encodings[str(value.name)] = _encoding(to)
        ir.convenience.replace_all_uses_with(to.outputs[0], value)
        copy.graph.remove(to, safe=True)
        value.type = ir.TensorType(ir.DataType.UINT8)
    for index, value in enumerate(list(copy.graph.outputs)):
        back = maker(value, "DequantizeLinear")
        held = None if back is None else back.inputs[0]
        if back is None or held is None:
            raise _float_output(value)
        name = str(value.name)
        encodings[name] = _encoding(back)
        copy.graph.outputs[index] = held
        if not value.uses():
            copy.graph.remove(back, safe=True)
        else:
            value.name = f"{name}.real"
        held.name = name
    return copy, encodings


def _encoding(node: ir.Node) -> tuple[float, int]:
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    assert scale is not None
    assert zero is not None
    return float(scale.reshape(())), int(zero.reshape(()))


def _float_input(value: ir.Value) -> UnsupportedModel:
    readers = [use.node for use in value.uses()]
    floats = [node for node in readers if not is_operator(node, "QuantizeLinear")] or readers
    told = f"{_named(floats[0])} reads it as float" if floats else "nothing reads it"
    return _float(f"input {value.name}", told)


def _float_output(value: ir.Value) -> UnsupportedModel:
    node = value.producer()
    told = "it is an input" if node is None else f"{_named(node)} makes it as float"
    return _float(f"output {value.name}", told)


def _float(value: str, told: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"{value} is not held in 8 bits: {told}; --allow-cpu cannot help, because compiled "
        "networks are fed and answer in 8 bits. The row 'float' of edgecnn export says why; "
        "change the network there, and export it again"
    )


def _named(node: ir.Node) -> str:
    return f"{node.op_type} {node.name}" if node.name else node.op_type
