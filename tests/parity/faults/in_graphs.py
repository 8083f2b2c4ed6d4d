"""Faults in ONNX graphs, in float and in 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from parity.faults.networks import Built, segmenter, shipped, to_onnx, unbalanced
from parity.faults.planting import change, first, node_of, numbers, own_constant

from edgecnn_exporters.diagnose.causes.case import Cause
from edgecnn_runtime.encoding import quantise_weight, weight_scales


@dataclass(frozen=True)
class GraphFault:
    """A fault that is planted in a copy of a good graph."""

    title: str
    network: Callable[[], Built]
    precision: str
    plant: Callable[[ir.Model], None]
    node: str
    cause: Cause
    words: str


def _hard_sigmoid(model: ir.Model) -> None:
    node_of(model, "features.5.block.1.2").op_type = "HardSigmoid"


def _one_sided(model: ir.Model) -> None:
    node_of(model, "layer2.0.conv1").attributes["pads"] = ir.AttrInt64s("pads", [0, 0, 1, 1])


def _roll_bias(model: ir.Model) -> None:
    change(model, "features.4.bias", lambda bias: np.roll(bias, 1))


def _transpose(model: ir.Model) -> None:
    change(model, "layer3.1.conv1.weight", lambda weight: weight.transpose(1, 0, 2, 3))


def _drop_last(model: ir.Model) -> None:
    def edit(weight: np.ndarray) -> np.ndarray:
        weight[:, -1] = 0
        return weight

    change(model, "layer2.2.conv2.weight", edit)


def _count_padding(model: ir.Model) -> None:
    first(model, "AveragePool").attributes["count_include_pad"] = ir.AttrInt64(
        "count_include_pad", 1
    )


def _epsilon(model: ir.Model) -> None:
    node = node_of(model, "features.denseblock2.denselayer3.norm1")
    node.attributes["epsilon"] = ir.AttrFloat32("epsilon", 1e-3)


def _folded_otherwise(model: ir.Model) -> None:
    """The numbers of one Conv, folded with the epsilon of Keras."""
    built = shipped("resnet20")
    norm = built.module.layer1[1].bn1  # type: ignore[index, union-attr]
    before, norm.eps = norm.eps, 1e-3
    try:
        other = to_onnx(built.module, built.shape)
    finally:
        norm.eps = before
    for name in ("layer1.1.conv1.weight", "layer1.1.conv1.bias"):
        value = other.graph.initializers[name].const_value
        assert value is not None
        change(model, name, lambda _, value=value: value.numpy())


def _align_corners(model: ir.Model) -> None:
    first(model, "Resize").attributes["coordinate_transformation_mode"] = ir.AttrString(
        "coordinate_transformation_mode", "align_corners"
    )


def _lose_relu6(model: ir.Model) -> None:
    clip = node_of(model, "features.2.conv.0.2")
    source = clip.inputs[0]
    assert source is not None
    ir.convenience.replace_all_uses_with(clip.outputs[0], source)
    model.graph.remove(clip, safe=True)


def _relu_for_relu6(model: ir.Model) -> None:
    clip = node_of(model, "features.2.conv.1.2")
    clip.op_type = "Relu"
    clip.resize_inputs(1)


def _half_precision(model: ir.Model) -> None:
    """A Conv between casts, its weights in 16 bits."""
    graph, node = model.graph, node_of(model, "layer3.0.conv2")
    half = int(ir.DataType.FLOAT16)
    for index in range(len(node.inputs)):
        value = node.inputs[index]
        assert value is not None
        if value.const_value is not None:
            own_constant(model, node, index, numbers(node, index).astype(np.float16))
            continue
        cast = ir.node("Cast", [value], attributes={"to": half}, name="planted.half")
        cast.outputs[0].name, cast.outputs[0].type = "half", ir.TensorType(ir.DataType.FLOAT16)
        graph.insert_before(node, [cast])
        node.replace_input_with(index, cast.outputs[0])
    output = node.outputs[0]
    shape = output.shape
    back = ir.node("Cast", [output], attributes={"to": 1}, name="planted.back")
    graph.insert_after(node, [back])
    ir.convenience.replace_all_uses_with(output, back.outputs[0])
    back.replace_input_with(0, output)
    back.outputs[0].name, output.name = output.name, "planted.sum"
    back.outputs[0].type, back.outputs[0].shape = output.type, shape
    output.type = ir.TensorType(ir.DataType.FLOAT16)


def _leak(model: ir.Model) -> None:
    first(model, "LeakyRelu").attributes["alpha"] = ir.AttrFloat32("alpha", 0.01)


def _per_tensor(model: ir.Model) -> None:
    node = node_of(model, UNBALANCED)
    dequantise = node.inputs[1].producer()  # type: ignore[union-attr]
    assert dequantise is not None
    stem = f"{UNBALANCED}.weight.quantised"
    scale = numbers(dequantise, 1)
    weight = numbers(dequantise, 0).astype(np.float32) * scale[:, None, None, None]
    one = weight_scales(weight, None)
    change(model, stem, lambda _: quantise_weight(weight, one, 0).integers)
    change(model, f"{stem}.scale", lambda _: one)
    change(model, f"{stem}.zero_point", lambda zero: zero[0])
    del dequantise.attributes["axis"]


UNBALANCED = "features.1.depthwise.0"


def _double_scale(model: ir.Model) -> None:
    change(model, "layer2.1.conv1.weight.quantised.scale", lambda scale: scale * 2)


def _other_zero(model: ir.Model) -> None:
    back = node_of(model, "layer2.2.relu.dequantised")
    own_constant(model, back, 2, numbers(back, 2) + np.uint8(1))


def _other_scale_back(model: ir.Model) -> None:
    back = node_of(model, "layer3.0.relu.dequantised")
    own_constant(model, back, 1, numbers(back, 1) * np.float32(2))


def _calibrate(model: ir.Model, value: str, factor: float) -> None:
    """Another range of a value, and the biases of its readers in the steps that go with it."""
    change(model, f"{value}.scale", lambda scale: scale * np.float32(factor))
    for use in node_of(model, f"{value}.dequantised").outputs[0].uses():
        bias = use.node.inputs[2].producer() if len(use.node.inputs) > 2 else None  # type: ignore[union-attr]
        if bias is not None and bias.op_type == "DequantizeLinear":
            integers, scale = (str(bias.inputs[index].name) for index in (0, 1))  # type: ignore[union-attr]
            change(model, integers, lambda old: np.rint(old / factor).astype(np.int32))
            change(model, scale, lambda old: old * np.float32(factor))


def _outlier(model: ir.Model) -> None:
    _calibrate(model, "layer2.1.relu", 40)


def _narrow(model: ir.Model) -> None:
    _calibrate(model, "layer3.1.relu", 1 / 4)


def _roll_integer_bias(model: ir.Model) -> None:
    change(model, "layer3.2.conv1.bias.quantised", lambda bias: np.roll(bias, -1))


def _resnet() -> Built:
    return shipped("resnet20")


def _mobilenet() -> Built:
    return shipped("mobilenet_v2")


_KERNEL, _LAYOUT = Cause.KERNEL, Cause.LAYOUT
GRAPH_FAULTS: tuple[GraphFault, ...] = (
    GraphFault("HardSwish → HardSigmoid", lambda: shipped("mobilenet_v3_small"), "fp32",
               _hard_sigmoid, r"features\.5\.block\.1\.2", _KERNEL,
               "HardSigmoid where the original has HardSwish"),
    GraphFault("one padding side", _resnet, "fp32", _one_sided, r"layer2\.0\.conv1", _LAYOUT,
               "pads are 0,0,1,1 where the original has 1,1,1,1"),
    GraphFault("bias off by one channel", lambda: shipped("vgg11_bn"), "fp32", _roll_bias,
               r"features\.4", _KERNEL, "bias lies one channel off"),
    GraphFault("transposed weight", _resnet, "fp32", _transpose, r"layer3\.1\.conv1", _LAYOUT,
               "channels transposed"),
    GraphFault("missing last channel", _resnet, "fp32", _drop_last, r"layer2\.2\.conv2", _KERNEL,
               "lacks its last input channel"),
    GraphFault("average counts its padding", segmenter, "fp32", _count_padding, "smooth", _KERNEL,
               "counts the padding"),
    GraphFault("epsilon of batch norm", lambda: shipped("densenet40"), "fp32", _epsilon,
               r"features\.denseblock2\.denselayer3\.norm1", _KERNEL,
               "epsilon is 0.001 where the original has 1e-05"),
    GraphFault("batch norm folded with another epsilon", _resnet, "fp32", _folded_otherwise,
               r"layer1\.1\.conv1", _KERNEL, "folded with a larger epsilon"),
    GraphFault("align_corners", segmenter, "fp32", _align_corners, "up", _KERNEL,
               "align_corners where the original has half_pixel"),
    GraphFault("ReLU6 lost", _mobilenet, "fp32", _lose_relu6, r"features\.2\.conv\.0\.2", _KERNEL,
               r"Clip\(0, 6\) is missing"),
    GraphFault("ReLU for ReLU6", _mobilenet, "fp32", _relu_for_relu6, r"features\.2\.conv\.1\.2",
               _KERNEL, r"Relu where the original has Clip\(0, 6\)"),
    GraphFault("half-precision accumulation", _resnet, "fp32", _half_precision, r"layer3\.0\.conv2",
               Cause.PRECISION, "float16"),
    GraphFault("slope of LeakyReLU", segmenter, "fp32", _leak, "leaky", _KERNEL,
               "alpha is 0.01 where the original has 0.1"),
    GraphFault("per-tensor depthwise weight", unbalanced, "int8", _per_tensor,
               UNBALANCED.replace(".", r"\."), Cause.WEIGHT_RANGE, "one scale for the whole"),
    GraphFault("a weight's scale off by 2", _resnet, "int8", _double_scale, r"layer2\.1\.conv1",
               _KERNEL, "is 2 times the original's"),
    GraphFault("a zero point off by one", _resnet, "int8", _other_zero, r"layer2\.2\.relu", _KERNEL,
               "zero point is .*, one more than"),
    GraphFault("a DequantizeLinear's scale off by 2", _resnet, "int8", _other_scale_back,
               r"layer3\.0\.relu", _KERNEL, "scale is .* 2 times"),
    GraphFault("a range set by an outlier", _resnet, "int8", _outlier, r"layer2\.1\.relu",
               Cause.ACTIVATION_OUTLIER, "far wider than needed"),
    GraphFault("a range too narrow", _resnet, "int8", _narrow, r"layer3\.1\.relu",
               Cause.ACTIVATION_OUTLIER, "saturates"),
    GraphFault("bias off by one channel", _resnet, "int8", _roll_integer_bias, r"layer3\.2\.conv1",
               _KERNEL, "bias lies one channel off"),
)  # fmt: skip
