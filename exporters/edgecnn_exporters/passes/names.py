"""Names that a person recognises: those of the network's own modules."""

from __future__ import annotations

import ast
from collections import Counter

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator

_SCOPES = "pkg.torch.onnx.name_scopes"
_WEIGHT = ".weight"
BATCH = "N"
_ROLES: dict[str, tuple[str, ...]] = {
    "Conv": ("", "weight", "bias"),
    "ConvTranspose": ("", "weight", "bias"),
    "Gemm": ("", "weight", "bias"),
    "BatchNormalization": ("", "weight", "bias", "running_mean", "running_var"),
    "PRelu": ("", "weight"),
}


class NameNodes(ir.passes.InPlacePass):
    """Nodes, values and initialisers are called as the network calls its modules.

    A node that computes a module is named by its path (``features.3.conv.1.0``); what a module
    computes between its own modules, by that path and the operator (``features.3.add``). Further
    nodes of one name get ``_1``, ``_2``, … in the graph's order. A value is called as the node that
    makes it, weights as ``<node>.weight`` and ``<node>.bias``. The graph's inputs and outputs keep
    their names, and so does a graph that carries no module paths.

    The path comes from the name of the weight, from what PyTorch's dynamo exporter notes on each
    node, or from the node names of its TorchScript exporter, whichever is there first.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        scopes = {node: _scope(node) for node in graph}
        inner = {
            scope.rpartition(".")[0]
            for scope in scopes.values()
            if scope is not None and "." in scope
        }
        parents = inner | {parent for scope in inner for parent in _ancestors(scope)}
        kept = {value.name for value in (*graph.inputs, *graph.outputs)}
        seen: Counter[str] = Counter()
        modified = False
        for node in graph:
            name = _unique(_node_name(node, scopes[node], parents), seen)
            modified |= node.name != name
            node.name = name
            modified |= _name_weights(graph, node)
            if scopes[node] is None:
                continue
            for index, value in enumerate(node.outputs):
                own = name if index == 0 else f"{name}.{index}"
                if value.name in kept or value.name == own or own in kept:
                    continue
                value.name = own
                modified = True
        return ir.passes.PassResult(model, modified=modified)


class NameBatch(ir.passes.InPlacePass):
    """A dynamic batch is called N, wherever the input's first axis is dynamic.

    PyTorch calls it ``s77``, or otherwise with each version.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        batch = next((v.shape[0] for v in graph.inputs if v.shape is not None and len(v.shape)), 1)
        if isinstance(batch, int) or batch == ir.SymbolicDim(BATCH):
            return ir.passes.PassResult(model, modified=False)
        values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
        for value in values:
            if value.shape is not None:
                named = [ir.SymbolicDim(BATCH) if d == batch else d for d in value.shape]
                value.shape = ir.Shape(named)
        return ir.passes.PassResult(model, modified=True)


def _node_name(node: ir.Node, scope: str | None, parents: set[str]) -> str:
    if path := _path_of_weight(node):
        return path
    operator = node.op_type.lower()
    if scope is None:
        return node.name or operator
    if scope == "":
        return operator
    return f"{scope}.{operator}" if scope in parents else scope


def _path_of_weight(node: ir.Node) -> str | None:
    """``features.0.0`` of a node that reads ``features.0.0.weight``."""
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    if not is_operator(node, *_ROLES) or weight is None or not weight.is_initializer():
        return None
    name = str(weight.name)
    return name.removesuffix(_WEIGHT) if name.endswith(_WEIGHT) else None


def _scope(node: ir.Node) -> str | None:
    """The path of the innermost module that the node was traced in; "" is the network itself."""
    if noted := node.metadata_props.get(_SCOPES):
        scopes = ast.literal_eval(noted)
        return str(scopes[-2]) if len(scopes) > 1 else ""
    if node.name and node.name.startswith("/"):
        return _join(node.name.strip("/").split("/")[:-1])
    return None


def _join(segments: list[str]) -> str:
    """TorchScript's scopes as one path.

    ``features, features.3, conv, conv.1`` is ``features.3.conv.1``: a segment that begins with the
    one before it repeats it.
    """
    paths: list[str] = []
    for segment in segments:
        if paths and segment.startswith(f"{paths[-1]}."):
            paths.pop()
        paths.append(segment)
    return ".".join(paths)


def _ancestors(scope: str) -> set[str]:
    parts = scope.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def _unique(name: str, seen: Counter[str]) -> str:
    # Names that end in a number of ours ("add_1") may be a module's own: count those too.
    candidate = name
    while seen[candidate]:
        candidate = f"{name}_{seen[name]}"
        seen[name] += 1
    seen[candidate] += 1
    return candidate


def _name_weights(graph: ir.Graph, node: ir.Node) -> bool:
    modified = False
    roles = _ROLES.get(node.op_type, ()) if node.domain == "" else ()
    for role, value in zip(roles, node.inputs, strict=False):
        if not role or value is None or not value.is_initializer() or len(value.uses()) != 1:
            continue
        name = f"{node.name}.{role}"
        if value.name != name and name not in graph.initializers:
            value.name = name
            modified = True
    return modified
