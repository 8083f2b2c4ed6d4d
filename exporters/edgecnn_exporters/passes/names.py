"""Naming of nodes, values and weights after the network's own modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable
from itertools import takewhile

import onnx_ir as ir
from onnx.defs import SchemaError, get_schema

from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.passes.relu6 import HIGH, LOW

_SCOPES = "pkg.torch.onnx.name_scopes"
_KIND = "pkg.torch.export.graph_signature.InputSpec.kind"
# Dynamo's name of the module of sizes that it traced outside of any.
_NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"
# With a number appended where a weight that two nodes read was duplicated.
_WEIGHT = re.compile(r"(.+)\.weight(_\d+)?")
BATCH = "N"
_ROLES: dict[str, tuple[str, ...]] = {
    "Conv": ("", "weight", "bias"),
    "ConvTranspose": ("", "weight", "bias"),
    "Gemm": ("", "weight", "bias"),
    "BatchNormalization": ("", "weight", "bias", "running_mean", "running_var"),
    "PRelu": ("", "weight"),
}


class NameNodes(ir.passes.InPlacePass):
    """Nodes, values and initialisers are named after the network's modules.

    A node that computes a module is named by its path (``features.3.conv.1.0``); what a module
    computes beside its own modules or its own weight, by that path and the operator
    (``features.3.add``). Further nodes of one name get ``_1``, ``_2``, … in the graph's order. A
    value is named as the node that computes it (its second output ``<node>.1``), weights as
    ``<node>.weight`` and ``<node>.bias``, and constants that an exporter named as the node that
    reads them and the operator's own name for them (``features.3.reshape.shape``). The graph's
    inputs and outputs keep their names, parameters theirs, and nodes without a module path keep
    the names that they have.

    The path comes from the name of the weight, from what PyTorch's dynamo exporter notes on each
    node, or from the node names of its TorchScript exporter, whichever is there first. A node
    without one, between nodes that have one, gets the path that its readers share.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        before = _all_names(graph)
        scopes = _scopes(graph)
        _name_nodes(graph, scopes)
        taken = {str(value.name) for value in (*graph.inputs, *graph.outputs)}
        for node in graph:
            if scopes[node] is None:
                taken |= {str(value.name) for value in node.outputs}
        for node in graph:
            _name_constants(graph, node, scopes[node], taken)
        taken |= set(graph.initializers)
        for node in graph:
            if scopes[node] is not None:
                _name_outputs(node, taken)
        return ir.passes.PassResult(model, modified=_all_names(graph) != before)


class NameBatch(ir.passes.InPlacePass):
    """A dynamic batch axis is named N.

    PyTorch names it ``s77``, or otherwise with each version. One without a name is only known to
    be the batch in the inputs themselves: shapes must be inferred afterwards.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        batch = next((v.shape[0] for v in graph.inputs if v.shape is not None and len(v.shape)), 1)
        if isinstance(batch, int) or batch == ir.SymbolicDim(BATCH):
            return ir.passes.PassResult(model, modified=False)
        if batch == ir.SymbolicDim(None):
            for value in graph.inputs:
                if value.shape and value.shape[0] == batch:
                    value.shape = ir.Shape([BATCH, *value.shape[1:]])
            return ir.passes.PassResult(model, modified=True)
        for value in (*graph.inputs, *(value for node in graph for value in node.outputs)):
            if value.shape is not None:
                named = [ir.SymbolicDim(BATCH) if d == batch else d for d in value.shape]
                value.shape = ir.Shape(named)
        return ir.passes.PassResult(model, modified=True)


def _all_names(graph: ir.Graph) -> list[str | None]:
    computed = [name for node in graph for name in (node.name, *(v.name for v in node.outputs))]
    return [*computed, *graph.initializers]


def _name_nodes(graph: ir.Graph, scopes: dict[ir.Node, str | None]) -> None:
    parents = {parent for scope in scopes.values() if scope for parent in _ancestors(scope)}
    owners = {node: path for node in graph if (path := _own_path(node, scopes[node], parents))}
    shared = parents | set(owners.values())
    fed = {str(value.name) for value in graph.inputs} | _parameters(graph)
    taken: set[str] = set()
    for node in graph:
        if node in owners:
            node.name = _unique(owners[node], taken)
        else:
            # So that the output of a node can be named as the node.
            avoid = fed if scopes[node] is not None else set()
            node.name = _unique(_path(node, scopes[node], shared), taken, avoid)


def _parameters(graph: ir.Graph) -> set[str]:
    return {
        str(value.name)
        for node in graph
        for value in node.inputs
        if value is not None and value.is_initializer() and not _is_exporter_named(value, node)
    }


def _own_path(node: ir.Node, scope: str | None, parents: set[str]) -> str | None:
    """``features.0.0`` of a node that reads ``features.0.0.weight``, or a weight without a path.

    The weight is more reliable: dynamo notes a Conv with a folded norm under the norm's module.
    """
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    if not is_operator(node, *_ROLES) or weight is None or not weight.is_initializer():
        return None
    if match := _WEIGHT.fullmatch(str(weight.name)):
        return match[1]
    return scope if scope and scope not in parents else None


def _path(node: ir.Node, scope: str | None, shared: set[str]) -> str:
    operator = node.op_type.lower()
    if scope is None:
        return node.name or operator
    if scope == "":
        return operator
    return f"{scope}.{operator}" if scope in shared else scope


def _name_outputs(node: ir.Node, taken: set[str]) -> None:
    for index, value in enumerate(node.outputs):
        if not value.is_graph_output():
            own = str(node.name) if index == 0 else f"{node.name}.{index}"
            value.name = _unique(own, taken)


def _name_constants(graph: ir.Graph, node: ir.Node, scope: str | None, taken: set[str]) -> None:
    """Name the node's constants that no node before it has named."""
    roles = _ROLES.get(node.op_type, ()) if node.domain == "" else ()
    for index, value in enumerate(node.inputs):
        if value is None or not value.is_initializer() or value.is_graph_output():
            continue
        if value.name in taken or str(value.name).startswith((LOW, HIGH)):
            continue
        role = roles[index] if index < len(roles) else ""
        if scope is not None and (role or _is_exporter_named(value, node)):
            wanted = _unique(f"{node.name}.{role or _word(node, index)}", taken)
            if wanted in graph.initializers and graph.initializers[wanted] is not value:
                taken.discard(wanted)
                wanted = str(value.name)
            value.name = wanted
        taken.add(str(value.name))


def _is_exporter_named(value: ir.Value, node: ir.Node) -> bool:
    """Whether an exporter generated the constant's name: it is not a parameter's."""
    if _SCOPES in node.metadata_props:
        return value.metadata_props.get(_KIND) not in ("PARAMETER", "BUFFER")
    return str(value.name).startswith(("/", "onnx::")) or str(value.name).isdigit()


def _word(node: ir.Node, index: int) -> str:
    try:
        inputs = get_schema(node.op_type, node.domain).inputs
    except SchemaError:
        return str(index)
    return inputs[index].name.lower() if index < len(inputs) else str(index)


def _scopes(graph: ir.Graph) -> dict[ir.Node, str | None]:
    """The path of the innermost module of each node; "" is the network itself."""
    scopes = {node: _own_scope(node) for node in graph}
    if all(scope is None for scope in scopes.values()):
        return scopes
    parents = {parent for scope in scopes.values() if scope for parent in _ancestors(scope)}
    for node in reversed(graph):
        if scopes[node] is None:
            readers = {scopes[reader] for value in node.outputs for reader in value.consumers()}
            scopes[node] = _common({scope for scope in readers if scope is not None}, parents)
    return scopes


def _own_scope(node: ir.Node) -> str | None:
    if noted := node.metadata_props.get(_SCOPES):
        scopes = _literal_names(noted)
        if scopes is None or _NO_MODULE in scopes:
            return None
        return scopes[-2] if len(scopes) > 1 else ""
    if node.name and node.name.startswith("/"):
        return _join(node.name.strip("/").split("/")[:-1])
    return None


def _literal_names(text: str) -> list[str] | None:
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _common(scopes: Iterable[str], parents: set[str]) -> str:
    """The innermost module that holds all of `scopes` and is more than one operator."""
    paths = [scope if scope in parents else scope.rpartition(".")[0] for scope in scopes]
    levels = zip(*(path.split(".") for path in paths), strict=False)
    return ".".join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _join(segments: list[str]) -> str:
    """The module path of TorchScript's scopes.

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


def _unique(name: str, taken: set[str], avoid: Collection[str] = ()) -> str:
    """`name`, or the first of ``name_1``, ``name_2``, … that is not taken; adds it to `taken`."""
    candidate, number = name, 0
    while candidate in taken or candidate in avoid:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate
