"""Global average pooling in one form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, extent, is_operator, rank, replace_node


@dataclass(frozen=True)
class Match:
    """A node that averages all of height and width; `keeps_axes` as 1×1, or drops them."""

    node: ir.Node
    keeps_axes: bool


class CanonicaliseGlobalPool(ir.passes.InPlacePass):
    """Averaging over height and width becomes ``GlobalAveragePool``.

    ``ReduceMean(x, axes = (2, 3))``, axes in any order and sign, as attribute or input, of a 4-D x;
    without kept axes a ``Flatten`` follows · ``AveragePool`` whose one window is the whole map,
    without padding. Left alone: other axes, unknown rank or size, axes that are computed.

    ONNX Runtime keeps its blocked layout through GlobalAveragePool, and leaves it for ReduceMean.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        matches = [m for node in model.graph if (m := _match_mean(node) or _match_pool(node))]
        for match in matches:
            _rewrite(model.graph, match)
        return ir.passes.PassResult(model, modified=bool(matches))


def _match_mean(node: ir.Node) -> Match | None:
    if not is_operator(node, "ReduceMean") or rank(node.inputs[0]) != 4:
        return None
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        axes = constant(node.inputs[1])
    else:
        axes = np.array(node.attributes.get_ints("axes", []))
    if axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        return None
    return Match(node, keeps_axes=bool(node.attributes.get_int("keepdims", 1)))


def _match_pool(node: ir.Node) -> Match | None:
    if not is_operator(node, "AveragePool") or rank(node.inputs[0]) != 4:
        return None
    source = node.inputs[0]
    assert source is not None
    window = node.attributes.get_ints("kernel_shape", [])
    padded = any(node.attributes.get_ints("pads", []))
    automatic = node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    if padded or automatic or list(window) != [extent(source, 2), extent(source, 3)]:
        return None
    return Match(node, keeps_axes=True)


def _rewrite(graph: ir.Graph, match: Match) -> None:
    source, old = match.node.inputs[0], match.node
    assert source is not None
    pool = ir.node("GlobalAveragePool", [source])
    if match.keeps_axes:
        replace_node(graph, old, pool)
        return
    pool.outputs[0].type = source.type
    pool.outputs[0].shape = ir.Shape([*list(source.shape or ())[:2], 1, 1])
    pool.metadata_props.update(old.metadata_props)
    graph.insert_before(old, pool)
    replace_node(graph, old, ir.node("Flatten", [pool.outputs[0]], attributes={"axis": 1}))
