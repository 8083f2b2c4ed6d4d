"""Search for the first node of an exported graph that differs from its PyTorch layer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn_exporters.capture.reference import Reference, to_bytes
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines.onnxruntime import open_session, unoptimised_options
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.tolerances import is_within

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch


@dataclass(frozen=True)
class LocatedNode:
    """A node whose output a layer of the network computes too."""

    node: str
    operator: str
    output: str
    layer: str


def first_difference(module: torch.nn.Module, model: ir.Model, reference: Reference) -> str | None:
    """The first node, in the graph's order, whose output differs from its PyTorch layer's.

    Layers are matched to nodes by module path, so a difference in functions between layers is
    narrowed down to the layers before and after.

    Returns:
        Node, operator, and by how much it differs at which batch size; None when no layer differs.
    """
    from edgecnn_exporters.passes import name_nodes

    name_nodes(model)
    for feed, _ in reference.batches:
        layers = layer_outputs(module, feed)
        steps = _steps(model, layers)
        if not steps:
            return None
        outputs = _node_outputs(model, steps, feed)
        previous = "the input"
        for step in steps:
            expected, own = layers[step.layer], outputs[step.output]
            where = f"{step.node} ({step.operator}) at batch {len(feed)}, after {previous}"
            if expected.shape != own.shape:
                return f"{where}: shape {own.shape}, expected {expected.shape}"
            distance = difference([(expected, own)])
            if not is_within(distance, "fp32"):
                return f"{where}: by {distance.relative:.1e} of its largest output"
            previous = step.node
    return None


def layer_outputs(module: torch.nn.Module, feed: Float32) -> dict[str, Array]:
    """Output of each leaf layer that runs exactly once, by module path."""
    import torch

    outputs: dict[str, list[torch.Tensor]] = {}
    hooks = [
        layer.register_forward_hook(
            lambda _, __, output, path=path: outputs.setdefault(path, []).append(output.clone())
        )
        for path, layer in module.named_modules()
        if path and not list(layer.children())
    ]
    try:
        with torch.no_grad():
            module(torch.from_numpy(feed.copy()))
    finally:
        for hook in hooks:
            hook.remove()
    return {path: runs[0].numpy() for path, runs in outputs.items() if len(runs) == 1}


def _steps(model: ir.Model, layers: dict[str, Array]) -> list[LocatedNode]:
    """The last node of each layer, in the graph's order."""
    last: dict[str, LocatedNode] = {}
    for node in model.graph:
        layer = re.sub(r"_\d+$", "", str(node.name))
        if layer in layers and node.outputs[0].name:
            last.pop(layer, None)
            last[layer] = LocatedNode(str(node.name), node.op_type, node.outputs[0].name, layer)
    return list(last.values())


def _node_outputs(model: ir.Model, steps: list[LocatedNode], feed: Float32) -> dict[str, Array]:
    """Outputs of every step, from the graph without ONNX Runtime's optimisations."""
    import onnx

    proto = onnx.load_from_string(to_bytes(model))
    own = {output.name for output in proto.graph.output}
    names = [step.output for step in steps]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in own)
    session = open_session(proto.SerializeToString(), unoptimised_options())
    outputs = session.run(names, {session.get_inputs()[0].name: feed})
    return dict(zip(names, outputs, strict=True))
