"""Requantisation of 8-bit convolutions, in the order of the integer kernels of other runtimes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    extent,
    insert_identity,
    is_dead,
    is_operator,
    maker,
    new_initialiser,
    producer,
    rank,
)
from edgecnn_exporters.passes.rewrite import RewriteRule, apply_rules
from edgecnn_exporters.quantise.integer_forms.nodes import insert
from edgecnn_runtime.arrays import Array, Float32

IN_UNITS = ".in_units"


@dataclass(frozen=True)
class Match:
    """An 8-bit convolution with the QuantizeLinear of its result.

    Attributes:
        clamp: the Relu or Clip between them.
        sources: DequantizeLinear of its input, of its weight and, where it has one, of its bias.
        scales: of the input, (), of the weight, (channels,), and of the result, ().
        zero_point: of the result, ().
        low, high: what the clamp lets through; infinite where it ends nothing.
    """

    conv: ir.Node
    clamp: ir.Node | None
    quantise: ir.Node
    sources: tuple[ir.Node, ...]
    scales: tuple[Float32, Float32, Float32]
    zero_point: Array
    low: float
    high: float

    @property
    def units(self) -> tuple[Float32, Float32]:
        """The powers of two that are nearest to the scales of input and weight."""
        return power_of_two(self.scales[0]), power_of_two(self.scales[1])


class RequantiseInSteps(ir.passes.InPlacePass):
    """``Q(Conv(x, w, b), s_y)`` becomes ``Q(Round(Mul(LeakyRelu(Conv(x', w', b')), m)), 1)``.

    The integer kernels of ONNX Runtime and XNNPACK compute ``round((sum + b) m) + z``: the sum of
    products and the bias b are integers, and ``m = (s_x s_w) / s_y`` is a float32. OpenVINO
    (2026.4) computes ``round(m sum + m b + z)``. Of a million results one to ten then lie so near
    to a half that they are rounded to the other side, and one is enough to change what a deep
    network rounds behind it: MobileNetV2's answers are 33 dB apart.

    x', w' and b' are the integers of x, w and b with scales that are powers of two, the nearest to
    theirs; products with these are exact, and m makes up for them. The LeakyRelu has slope 1. It,
    or the Relu of an activation that begins at zero, keeps OpenVINO from multiplying before the
    bias is added, and the Round from adding z before it rounds. One kernel computes all of it. A
    Clip that ends inside the range of the result stays, in steps.

    Left alone: convolutions whose result is not held in 8 bits or is read as a float too, those of
    computed weights, and those to a single pixel: on CPUs with AVX-512 OpenVINO loses the product
    with m where the result is (1, C, 1, 1).
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def name_in_units(name: str) -> str:
    """Name of a value in units of the power of two that is nearest to its scale."""
    return name.removesuffix(".dequantised") + IN_UNITS


def power_of_two(scales: Float32 | np.float32) -> Float32:
    """The nearest powers of two, on a logarithmic scale."""
    nearest: Float32 = np.exp2(np.rint(np.log2(scales))).astype(np.float32)
    return nearest


def _match(node: ir.Node) -> Match | None:
    if not is_operator(node, "QuantizeLinear"):
        return None
    clamp = producer(node.inputs[0], "Relu", "Clip")
    conv = producer(clamp.inputs[0] if clamp is not None else node.inputs[0], "Conv")
    bounds = _bounds(clamp)
    if conv is None or bounds is None or not _has_pixels(conv.outputs[0]):
        return None
    given = [value for value in conv.inputs if value is not None]
    sources = tuple(back for value in given if (back := maker(value, "DequantizeLinear")))
    if len(sources) < len(given) or any(constant(each.inputs[0]) is None for each in sources[1:]):
        return None
    of_source, of_weight = (constant(each.inputs[1]) for each in sources[:2])
    of_result, zero_point = (constant(value) for value in node.inputs[1:3])
    if of_source is None or of_weight is None or of_result is None or zero_point is None:
        return None
    scales = of_source.reshape(()), of_weight, of_result.reshape(())
    return Match(conv, clamp, node, sources, scales, zero_point, *bounds)


def _has_pixels(image: ir.Value) -> bool:
    """Whether an image, (N, C, …), is certain to have several pixels."""
    sizes = [extent(image, axis) for axis in range(2, rank(image) or 0)]
    return any(size is not None and size > 1 for size in sizes)


def _bounds(clamp: ir.Node | None) -> tuple[float, float] | None:
    """What a Relu or a Clip lets through; None where that is computed."""
    bounds = [-np.inf, np.inf]
    if clamp is None:
        return bounds[0], bounds[1]
    if is_operator(clamp, "Relu"):
        return 0.0, bounds[1]
    for index, value in enumerate(clamp.inputs[1:]):
        if value is None:
            continue
        bound = constant(value)
        if bound is None:
            return None
        bounds[index] = float(bound.reshape(()))
    return bounds[0], bounds[1]


def _rewrite(graph: ir.Graph, match: Match) -> None:
    conv, quantise, result = match.conv, match.quantise, match.conv.outputs[0]
    units = (*match.units, match.units[0] * match.units[1])
    for index, (source, unit) in enumerate(zip(match.sources, units, strict=False)):
        conv.replace_input_with(index, _in_units(graph, source, unit))
    result.name = f"{result.name}.sums"
    quantise.replace_input_with(0, result)
    if match.low == 0:
        quantise.replace_input_with(0, insert(graph, quantise, "Relu", [result]))
    else:
        insert_identity(graph, quantise, f"{result.name}.biased")
    for operator, constants in _to_steps(match):
        value = quantise.inputs[0]
        assert value is not None
        label = f"{quantise.name}.{operator.lower()}"
        others = [new_initialiser(graph, label, array.astype(np.float32)) for array in constants]
        made = insert(graph, quantise, operator, [value, *others])
        quantise.replace_input_with(0, made)
    quantise.replace_input_with(1, new_initialiser(graph, "one_step", np.array(1, np.float32)))
    for node in (match.clamp, *match.sources):
        if node is not None and node.graph is not None and is_dead(node):
            graph.remove(node, safe=True)


def _to_steps(match: Match) -> list[tuple[str, list[Array]]]:
    """What brings the sums to whole steps of the result: operators, with their constants."""
    of_source, of_weight, of_result = match.scales
    # As the kernels compute it: the product of two scales is a float32 before it is divided.
    factors = of_source * of_weight / of_result / (match.units[0] * match.units[1])
    axes = rank(match.conv.outputs[0])
    assert axes is not None
    steps = [("Mul", [factors.reshape(1, -1, *[1] * (axes - 2))])]
    integers = np.iinfo(match.zero_point.dtype)
    ends = np.array([integers.min, integers.max], np.float32) - np.float32(match.zero_point)
    least, greatest = of_result * ends
    if match.high < greatest or least < match.low != 0:
        bounds = np.array([match.low, match.high]) / of_result
        steps.append(("Clip", list(np.clip(bounds, *ends))))
    return [*steps, ("Round", [])]


def _in_units(graph: ir.Graph, source: ir.Node, unit: Float32) -> ir.Value:
    """The integers of a DequantizeLinear with another scale; equal ones are shared."""
    integers, output = source.inputs[0], source.outputs[0]
    assert integers is not None
    name = name_in_units(str(output.name))
    for use in integers.uses():
        if use.node.outputs[0].name == name:
            return use.node.outputs[0]
    scale = new_initialiser(graph, f"{name}.scale", unit)
    inputs = [integers, scale, *source.inputs[2:]]
    node = ir.node("DequantizeLinear", inputs, attributes=source.attributes, name=name)
    made = node.outputs[0]
    made.name, made.type, made.shape = name, output.type, output.shape
    graph.insert_after(source, node)
    return made
