"""Table of OpenVINO operators, each translated back to ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.openvino.reading import (
    NotReadable,
    Numbers,
    Reading,
    Traced,
    settle,
)
from edgecnn_exporters.diagnose.openvino.sums import (
    Operand,
    Reader,
    affine,
    convert,
    convolution,
    numbers,
    product,
    traced,
)


def round_off(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """Rounding to steps in front of a FakeQuantize, which rounds by itself."""
    readers = [port.get_node().get_type_name() for port in op.output(0).get_target_inputs()]
    if readers != ["FakeQuantize"]:
        raise NotReadable("a Round")
    return operands[0]


def same(kind: str, **given: Any) -> Reader:
    """An operator of one input that ONNX has too; `given` maps its attributes to OpenVINO's."""

    def read(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
        attributes = op.get_attributes()
        found = {own: attributes[their] for own, their in given.items()}
        return Traced(reading.add(kind, [settle(reading, traced(operands[0]))], name, **found))

    return read


def slope(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """PRelu with one slope is a LeakyRelu; with slope 1 it does nothing."""
    alpha = numbers(operands[1])
    if alpha.size == 1 and float(alpha.reshape(())) == 1.0:
        return operands[0]
    source = settle(reading, traced(operands[0]))
    if alpha.size == 1:
        alpha_value = float(alpha.reshape(()))
        return Traced(reading.add("LeakyRelu", [source], name, alpha=alpha_value))
    shaped = alpha.astype(np.float32).reshape(-1, 1, 1)
    return Traced(reading.add("PRelu", [source, reading.constant(f"{name}.slope", shaped)], name))


def clamp(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    source, bounds = settle(reading, traced(operands[0])), op.get_attributes()
    ends = [
        reading.constant(f"{name}.{e}", np.array(bounds[e], np.float32)) for e in ("min", "max")
    ]
    return Traced(reading.add("Clip", [source, *ends], name))


def pool(kind: str) -> Reader:
    def read(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
        found = op.get_attributes()
        if str(found["auto_pad"]).lower() not in ("explicit", "valid"):
            raise NotReadable("a pool with automatic pads")
        more: dict[str, Any] = {}
        if kind == "AveragePool":
            more["count_include_pad"] = int(not found["exclude-pad"])
        return Traced(
            reading.add(
                kind,
                [settle(reading, traced(operands[0]))],
                name,
                kernel_shape=[int(each) for each in found["kernel"]],
                strides=[int(each) for each in found["strides"]],
                pads=[int(each) for each in (*found["pads_begin"], *found["pads_end"])],
                ceil_mode=int(str(found["rounding_type"]).lower() != "floor"),
                **more,
            )
        )

    return read


def reduce(kind: str, whole: str) -> Reader:
    def read(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
        source, axes = settle(reading, traced(operands[0])), numbers(operands[1]).astype(np.int64)
        keep = bool(op.get_attributes()["keep_dims"])
        if keep and sorted(axes.ravel().tolist()) == [2, 3]:
            return Traced(reading.add(whole, [source], name))
        wanted = reading.constant(f"{name}.axes", axes.ravel())
        return Traced(reading.add(kind, [source, wanted], name, keepdims=int(keep)))

    return read


def reshape(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """Reshape; to rows of a batch it is a Flatten."""
    shape, operand = numbers(operands[1]).astype(np.int64).ravel(), operands[0]
    if isinstance(operand, Numbers):
        known = tuple(
            operand.reals.shape[index] if size == 0 else int(size)
            for index, size in enumerate(shape)
        )
        scale = None if operand.scale is None else operand.scale.reshape(known)
        return Numbers(operand.reals.reshape(known), scale)
    source = settle(reading, operand)
    if shape.tolist() == [0, -1]:
        return Traced(reading.add("Flatten", [source], name, axis=1))
    wanted = reading.constant(f"{name}.shape", shape)
    return Traced(reading.add("Reshape", [source, wanted], name))


def transpose(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    order = [int(each) for each in numbers(operands[1]).ravel()]
    source = settle(reading, traced(operands[0]))
    return Traced(reading.add("Transpose", [source], name, perm=order))


def concat(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    values = [settle(reading, traced(each)) for each in operands]
    return Traced(reading.add("Concat", [*values], name, axis=int(op.get_attributes()["axis"])))


def pad(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """Padding with what stands for zero; around images it stays pending, as convolutions have pads.

    With zeros of channels it is a Pad.
    """
    before, after = (numbers(operands[index]).ravel() for index in (1, 2))
    source, fill = traced(operands[0]), numbers(operands[3]) if len(operands) > 3 else np.zeros(())
    is_zero = np.size(source.offset) == 1 and np.allclose(source.offset, fill, atol=1e-6)
    if op.get_attributes()["pad_mode"] != "constant" or source.margins or not is_zero:
        raise NotReadable("a Pad")
    if not any(before[:2]) and not any(after[:2]) and np.any(source.factor != 1):
        margins = tuple(int(each) for each in (*before[2:], *after[2:]))
        return Traced(source.value, source.factor, source.offset, margins)
    amounts = reading.constant(f"{name}.pads", np.array([*before, *after], np.int64))
    made = reading.add("Pad", [source.value, amounts], name)
    return Traced(made, source.factor, source.offset)


def binary(kind: str) -> Reader:
    def read(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
        values: list[ir.Value | None] = [
            reading.constant(f"{name}.constant", each.reals.astype(np.float32))
            if isinstance(each, Numbers)
            else settle(reading, each)
            for each in operands
        ]
        return Traced(reading.add(kind, values, name))

    return read


def swish(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """Swish is ``x · sigmoid(x)``."""
    if len(operands) > 1 and float(numbers(operands[1]).reshape(())) != 1:
        raise NotReadable("a Swish with a factor")
    source = settle(reading, traced(operands[0]))
    gate = reading.add("Sigmoid", [source], f"{name}.gate")
    return Traced(reading.add("Mul", [source, gate], name))


def hard_sigmoid(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    alpha, beta = (float(numbers(each).reshape(())) for each in operands[1:])
    source = settle(reading, traced(operands[0]))
    return Traced(reading.add("HardSigmoid", [source], name, alpha=alpha, beta=beta))


READERS: Mapping[str, Reader] = {
    "Convolution": convolution,
    "GroupConvolution": convolution,
    "MatMul": product,
    "Multiply": affine(1, is_product=True),
    "Divide": affine(-1, is_product=True),
    "Add": affine(1, is_product=False),
    "Subtract": affine(-1, is_product=False),
    "Maximum": binary("Max"),
    "Minimum": binary("Min"),
    "Convert": convert,
    "Round": round_off,
    "Relu": same("Relu"),
    "PRelu": slope,
    "Clamp": clamp,
    "Sigmoid": same("Sigmoid"),
    "Tanh": same("Tanh"),
    "HSwish": same("HardSwish"),
    "HardSigmoid": hard_sigmoid,
    "Swish": swish,
    "Elu": same("Elu", alpha="alpha"),
    "Softmax": same("Softmax", axis="axis"),
    "MaxPool": pool("MaxPool"),
    "AvgPool": pool("AveragePool"),
    "ReduceMean": reduce("ReduceMean", "GlobalAveragePool"),
    "ReduceMax": reduce("ReduceMax", "GlobalMaxPool"),
    "Reshape": reshape,
    "Transpose": transpose,
    "Concat": concat,
    "Pad": pad,
}
