"""Kinds of faults, each planted in the probe's float graph or QDQ graph.

An artefact of another format is written from the faulty graph, as a faulty exporter would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnx_ir as ir
from parity.faults.planting import change, node_of

from edgecnn_exporters.diagnose.causes.case import Cause
from edgecnn_exporters.passes.graph import is_quantised
from edgecnn_runtime.encoding import quantise_weight, weight_scales

BOTH = ("fp32", "int8")
ALL = ("onnx", "tflite", "openvino")


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        plant: changes a graph.
        node: name of the culprit.
        words: pattern in the sentence that names the cause.
        precisions, formats: where the kind exists.
    """

    title: str
    plant: Callable[[ir.Model], None]
    node: str
    cause: Cause
    words: str
    precisions: tuple[str, ...] = BOTH
    formats: tuple[str, ...] = ALL


def reals(model: ir.Model, name: str) -> np.ndarray:
    """A weight or bias, dequantised in a QDQ graph."""
    if not is_quantised(model):
        return model.graph.initializers[name].const_value.numpy()  # type: ignore[union-attr]
    stem = f"{name}.quantised"
    integers, scale = (
        model.graph.initializers[each].const_value.numpy()  # type: ignore[union-attr]
        for each in (stem, f"{stem}.scale")
    )
    return integers * scale.reshape(-1, *[1] * (integers.ndim - 1)).astype(np.float32)


def set_reals(model: ir.Model, name: str, array: np.ndarray, source: str = "") -> None:
    """Another weight, or with the name of the layer's input's encoding another bias of `name`."""
    array = array.astype(np.float32)
    if not is_quantised(model):
        change(model, name, lambda _: array)
        return
    stem = f"{name}.quantised"
    if not source:
        scale = weight_scales(array, 0)
        change(model, stem, lambda _: quantise_weight(array, scale, 0).integers)
        change(model, f"{stem}.scale", lambda _: scale)
        return
    weight = name.removesuffix("_b") + "_w" if name != "beta" else "gamma"
    scales = model.graph.initializers
    scale = (
        scales[f"{source}.scale"].const_value.numpy()  # type: ignore[union-attr]
        * scales[f"{weight}.quantised.scale"].const_value.numpy()  # type: ignore[union-attr]
    ).astype(np.float32)
    change(model, stem, lambda _: np.rint(array / scale).astype(np.int32))
    change(model, f"{stem}.scale", lambda _: scale)


def set_layer(
    model: ir.Model, name: str, weight: np.ndarray, bias: np.ndarray, source: str
) -> None:
    set_reals(model, f"{name}_w", weight)
    set_reals(model, f"{name}_b", bias, source)


def forget_shapes(model: ir.Model) -> None:
    """Infer the shapes of all values again, after a fault that changes some."""
    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = None
    inferred = onnx.shape_inference.infer_shapes(ir.to_proto(model))
    shapes = {each.name: each.type.tensor_type.shape for each in inferred.graph.value_info}
    for node in model.graph:
        for value in node.outputs:
            if value.shape is None and value.name in shapes:
                extents = shapes[value.name].dim
                value.shape = ir.Shape([d.dim_value or d.dim_param or None for d in extents])


GAMMA, BETA, MEAN, VARIANCE = "gamma", "beta", "mean", "variance"


def swap_gamma_and_beta(model: ir.Model) -> None:
    from parity.faults.probe import float_graph

    if not is_quantised(model):
        gamma, beta = reals(model, GAMMA).copy(), reals(model, BETA).copy()
        change(model, GAMMA, lambda _: beta)
        change(model, BETA, lambda _: gamma)
        return
    original = float_graph()
    gamma, beta, mean, variance = (reals(original, n) for n in (GAMMA, BETA, MEAN, VARIANCE))
    factor = beta / np.sqrt(variance + 1e-3)
    set_reals(model, GAMMA, factor.reshape(-1, 1, 1, 1))
    set_reals(model, BETA, gamma - mean * factor, "stem_relu")


def fold_swapped(model: ir.Model) -> None:
    """The stem, as if a batch normalisation had been folded into it with gamma and beta swapped."""
    weight, bias = reals(model, "stem_w"), reals(model, "stem_b")
    random = np.random.default_rng(8)
    gamma, mean = random.uniform(0.5, 1.5, 8), random.normal(0.0, 0.3, 8)
    beta = bias + mean * gamma
    other = weight * (beta / gamma)[:, None, None, None]
    set_layer(model, "stem", other, gamma - mean * beta, "input")


def move_groups(model: ir.Model) -> None:
    set_layer(
        model, "groups", np.roll(reals(model, "groups_w"), 2, 0), reals(model, "groups_b"),
        "norm_relu",
    )  # fmt: skip


def shuffle_groups(model: ir.Model) -> None:
    """Output channels in the order of (place in the group, group)."""
    order = np.arange(8).reshape(4, 2).T.ravel()
    weight, bias = reals(model, "groups_w")[order], reals(model, "groups_b")[order]
    set_layer(model, "groups", weight, bias, "norm_relu")


def other_axis(model: ir.Model) -> None:
    node_of(model, "gate").attributes["axis"] = ir.AttrInt64("axis", 2)


def drop_dilation(model: ir.Model) -> None:
    node = node_of(model, "wide")
    node.attributes.pop("dilations")
    node.attributes["pads"] = ir.AttrInt64s("pads", [1, 1, 1, 1])


def permute_scales(model: ir.Model) -> None:
    change(model, "strided_w.quantised.scale", lambda scale: np.roll(scale, 1))


def swap_strides(model: ir.Model) -> None:
    node_of(model, "strided").attributes["strides"] = ir.AttrInt64s("strides", [1, 2])
    forget_shapes(model)


def other_slope(model: ir.Model) -> None:
    node_of(model, "leaky").attributes["alpha"] = ir.AttrFloat32("alpha", 0.2)


def other_order(model: ir.Model) -> None:
    node = node_of(model, "join")
    first, second = node.inputs[0], node.inputs[1]
    node.replace_input_with(0, second)
    node.replace_input_with(1, first)


def other_input(model: ir.Model) -> None:
    name = "leaky.dequantised" if is_quantised(model) else "leaky"
    node_of(model, "point").replace_input_with(0, node_of(model, name).outputs[0])


def clear_channel(model: ir.Model) -> None:
    if is_quantised(model):

        def edit(integers: np.ndarray) -> np.ndarray:
            integers[3] = 0
            return integers

        change(model, "depthwise_w.quantised", edit)
        return
    weight = reals(model, "depthwise_w").copy()
    weight[3] = 0
    set_reals(model, "depthwise_w", weight)


def halve_bias(model: ir.Model) -> None:
    set_reals(model, "last_b", reals(model, "last_b") / 2, "join")


def widen_scale(model: ir.Model) -> None:
    change(model, "strided_relu.scale", lambda scale: scale * np.float32(1.1))


def widen_input(model: ir.Model) -> None:
    change(model, "input.scale", lambda scale: scale * np.float32(1.1))


_KERNEL, _LAYOUT = Cause.KERNEL, Cause.LAYOUT
KINDS = (
    Kind("gamma and beta swapped", swap_gamma_and_beta, "norm", _KERNEL, "gamma and beta"),
    Kind("folded with gamma and beta swapped", fold_swapped, "stem", _KERNEL,
         "batch normalisation was folded with .*(gamma|beta)"),
    Kind("groups moved by one", move_groups, "groups", _LAYOUT, "groups? .*(off|order)"),
    Kind("channels of groups shuffled", shuffle_groups, "groups", _LAYOUT,
         "output channels in another order"),
    Kind("softmax over another axis", other_axis, "gate", _LAYOUT,
         "axis is 2 where the original has 1", formats=("onnx", "openvino")),
    Kind("dilation dropped", drop_dilation, "wide", _KERNEL,
         "dilations are 1,1 where the original has 2,2"),
    Kind("scales permuted", permute_scales, "strided", _KERNEL, "scales .*(order|off)", ("int8",)),
    Kind("strides swapped", swap_strides, "strided", _KERNEL,
         "strides are 1,2 where the original has 2,1"),
    Kind("slope of LeakyReLU", other_slope, "leaky", _KERNEL,
         "(alpha|slope).* 0.2 where the original has 0.1"),
    Kind("order of a Concat", other_order, "join", _LAYOUT, "order"),
    Kind("another value read", other_input, "point", _KERNEL,
         "reads leaky where the original reads depthwise_relu"),
    Kind("a depthwise channel of zeros", clear_channel, "depthwise", _KERNEL,
         "zero in output channel 3"),
    Kind("bias halved", halve_bias, "last", _KERNEL, "bias is 0.5 times the original's"),
    Kind("an activation's scale times 1.1", widen_scale, "strided(_relu)?", _KERNEL,
         "scale is .*1.1 times", ("int8",)),
    Kind("the input's scale times 1.1", widen_input, "input", _KERNEL, "scale is .*1.1 times",
         ("int8",)),
)  # fmt: skip


def both(one: Kind, two: Kind) -> Kind:
    """Two kinds in one artefact; either node may be found."""

    def plant(model: ir.Model) -> None:
        one.plant(model)
        two.plant(model)

    return replace(
        one, title=f"{one.title} + {two.title}", plant=plant, node=f"{one.node}|{two.node}"
    )
