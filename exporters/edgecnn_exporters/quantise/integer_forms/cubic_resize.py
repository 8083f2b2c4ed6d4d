"""A cubic Resize that shrinks becomes one of images with a single channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, is_set, new_initialiser, static_rest
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules

_SCALES = 2


@dataclass(frozen=True)
class Match:
    """A cubic Resize of (N, channels, height, width), with the image's sizes before and after."""

    node: ir.Node
    channels: int
    before: tuple[int, int]
    after: tuple[int, int]


class SeparateResizedChannels(ir.passes.InPlacePass):
    """``Resize(x)`` becomes ``Reshape(Resize(Reshape(x)))``, of (N · channels, 1, height, width).

    Between two 8-bit convolutions ONNX Runtime (1.32) moves the channels of a Resize to the end.
    Its cubic kernel has no such form where the image shrinks: the model would not run at all. One
    channel alone cannot be moved, and a Reshape costs next to nothing.

    Left alone: sizes that are unknown, and regions of interest (tf_crop_and_resize).
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "Resize") or node.attributes.get_string("mode", "nearest") != "cubic":
        return None
    if is_set(node, "antialias"):
        return None
    mode = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if mode == "tf_crop_and_resize":
        return Refusal("it resizes a part of its image")
    before, after = static_rest(node.inputs[0]), static_rest(node.outputs[0])
    if before is None or after is None or len(before) != 3 or before[0] != after[0]:
        return Refusal("the sizes of its images are unknown")
    channels, *sizes = before
    if channels == 1 or all(new >= old for old, new in zip(sizes, after[1:], strict=True)):
        return None
    return Match(node, channels, (before[1], before[2]), (after[1], after[2]))


def _rewrite(graph: ir.Graph, match: Match) -> None:
    node, output = match.node, match.node.outputs[0]
    source, name = node.inputs[0], str(node.name)
    assert source is not None
    apart = _reshape(graph, source, [-1, 1, *match.before], f"{name}.apart")
    graph.insert_before(node, apart)
    node.replace_input_with(0, apart.outputs[0])
    if len(node.inputs) > _SCALES + 1:
        node.replace_input_with(_SCALES + 1, _sizes(graph, match, apart.outputs[0]))
    joined = _reshape(graph, output, [-1, match.channels, *match.after], f"{name}.joined")
    joined.outputs[0].type, joined.outputs[0].shape = output.type, output.shape
    graph.insert_after(node, joined)
    ir.convenience.replace_all_uses_with(output, joined.outputs[0], replace_graph_outputs=True)
    joined.replace_input_with(0, output)
    # The result keeps its name, by which its range is known.
    joined.outputs[0].name, output.name = output.name, f"{name}.resized"
    output.shape = ir.Shape([None, 1, *match.after])


def _sizes(graph: ir.Graph, match: Match, apart: ir.Value) -> ir.Value:
    """The sizes of the images, whose number is computed, in the order of the axes."""
    name = f"{match.node.name}.sizes"
    shape = ir.Node("", "Shape", [apart], [ir.AttrInt64("end", 2)], name=f"{name}.images")
    image = new_initialiser(graph, f"{name}.image", np.array(match.after, np.int64))
    join = ir.Node(
        "", "Concat", [shape.outputs[0], image], [ir.AttrInt64("axis", 0)], name=f"{name}.joined"
    )
    for each, length in ((shape, 2), (join, 4)):
        output = each.outputs[0]
        output.name, output.shape = each.name, ir.Shape([length])
        output.type = ir.TensorType(ir.DataType.INT64)
        graph.insert_before(match.node, each)
    return join.outputs[0]


def _reshape(graph: ir.Graph, source: ir.Value, sizes: list[int], name: str) -> ir.Node:
    shape = new_initialiser(graph, f"{name}.shape", np.array(sizes, np.int64))
    node = ir.Node("", "Reshape", [source, shape], name=name)
    node.outputs[0].name, node.outputs[0].type = name, source.type
    node.outputs[0].shape = ir.Shape([None, *sizes[1:]])
    return node
