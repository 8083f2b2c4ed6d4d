"""Diagnosis of an ONNX graph against the PyTorch network that it was exported from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point
from edgecnn_exporters.diagnose.allowance import ROUNDING, Allowance, float_errors, measure_error
from edgecnn_exporters.diagnose.causes.case import Cause, CauseFinding
from edgecnn_exporters.diagnose.causes.export_semantics import TorchLayer, other_semantics
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.isolate import Cut, cut, region
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError

NORMS = ("BatchNorm2d", "BatchNorm1d")


def diagnose_export(module: Any, model: ir.Model, feed: Array) -> Diagnosis | None:
    """The first node that does not compute what its PyTorch layer does; None where all do.

    Nodes are matched to layers by the module's path, after which the canonical graph names them. A
    batch normalisation that was folded into the sum before it is compared as part of that sum.
    Functions that the network calls between its layers are compared as part of the layer after.

    Args:
        module: in evaluation mode, in float32.
        model: the module's canonical graph, to be checked.
        feed: (batch, …), a real input.
    """
    layers, values = _record(module, feed)
    points, layer_of = _match(model, layers, values)
    references = {str(model.graph.inputs[0].name): feed}
    references |= {
        name: values[layer.path if layer.norm is None else _norm_path(layer, layers)]
        for name, layer in layer_of.items()
    }
    parts = cut(model, points, references)
    names = list(parts.outputs)
    actual = run_onnx(parts.model, list(parts.outputs.values()), parts.feeds(references))
    errors = float_errors(model, references)
    for name, array in zip(names, actual, strict=True):
        floor = max(errors[name] * ROUNDING["fp32"], 1e-30)
        allowed = Allowance(floor, floor, "float32 sums in another order")
        error = measure_error(references[name], array, allowed)
        if not error.is_within:
            ratio_after = _trial(parts, name, references, allowed)
            node = next(n for n in model.graph if n.name == points[name].node)
            missing = _missing_before(layer_of[name].path, layers, layer_of)
            findings = list(other_semantics(layer_of[name], node, ratio_after))
            best = _best(findings, layer_of[name].path, missing)
            return _diagnosis(best, points[name], error.ratio, allowed)
    return None


def _record(module: Any, feed: Array) -> tuple[dict[str, TorchLayer], dict[str, Array]]:
    """Every leaf layer that runs once, with the norm that reads its output, and the outputs."""
    import torch

    runs: dict[str, list[tuple[Any, Any, Any]]] = {}
    hooks = [
        layer.register_forward_hook(
            lambda layer, inputs, output, path=path: runs.setdefault(path, []).append(
                (inputs[0], output, output.clone())
            )
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
    once = {path: calls[0] for path, calls in runs.items() if len(calls) == 1}
    kinds = dict(module.named_modules())
    layers = {}
    for path, (_, output, _) in once.items():
        norms = [p for p, (source, _, _) in once.items() if source is output and p != path]
        norm = kinds[norms[0]] if norms and type(kinds[norms[0]]).__name__ in NORMS else None
        layers[path] = TorchLayer(path, kinds[path], norm)
    return layers, {path: values.numpy() for path, (_, _, values) in once.items()}


def _norm_path(layer: TorchLayer, layers: Mapping[str, TorchLayer]) -> str:
    return next(path for path, other in layers.items() if other.module is layer.norm)


def _match(
    model: ir.Model, layers: Mapping[str, TorchLayer], values: Mapping[str, Array]
) -> tuple[dict[str, Point], dict[str, TorchLayer]]:
    """The last node of each layer, in the graph's order, by the name of its output."""
    unfolded = {str(node.name) for node in model.graph if node.op_type == "BatchNormalization"}
    last: dict[str, ir.Node] = {}
    for node in model.graph:
        path = re.sub(r"_\d+$", "", str(node.name))
        if path in layers and node.outputs[0].name:
            last.pop(path, None)
            last[path] = node
    source = model.graph.inputs[0]
    points = {str(source.name): _point(source, str(source.name), "")}
    layer_of = {}
    for path, node in last.items():
        layer, output = layers[path], node.outputs[0]
        if layer.norm is not None and _norm_path(layer, layers) in unfolded:
            layer = TorchLayer(path, layer.module)
        name = str(output.name)
        points[name] = _point(output, str(node.name), node.op_type)
        layer_of[name] = layer
    return points, layer_of


def _point(value: ir.Value, node: str, operator: str) -> Point:
    name = str(value.name)
    return Point(name=name, computed=name, read=name, node=node, operator=operator)


def _trial(
    parts: Cut, name: str, references: Mapping[str, Array], allowed: Allowance
) -> Callable[[Callable[[ir.Graph, ir.Node], None]], float]:
    """A function that edits the value's node in its region and returns the error ratio."""
    feeds = parts.feeds(references)

    def ratio_after(edit: Callable[[ir.Graph, ir.Node], None]) -> float:
        piece = region(parts, name).clone()
        node = next(node for node in piece.graph if node.name == parts.points[name].node)
        edit(piece.graph, node)
        try:
            (output,) = run_onnx(piece, [parts.outputs[name]], feeds)
        except EngineError:  # a node whose shapes no longer fit
            return float("inf")
        return measure_error(references[name], output, allowed).ratio

    return ratio_after


def _missing_before(
    path: str, layers: Mapping[str, TorchLayer], layer_of: Mapping[str, TorchLayer]
) -> TorchLayer | None:
    """The layer that ran just before, if no node of the graph computes it."""
    order, known = list(layers), {layer.path for layer in layer_of.values()}
    before = order[order.index(path) - 1] if order.index(path) else path
    kind = type(layers[before].module).__name__
    is_idle = kind in (*NORMS, "Identity", "Dropout", "Dropout2d", "Flatten")
    return None if before in known or is_idle else layers[before]


def _best(findings: list[CauseFinding], path: str, missing: TorchLayer | None) -> CauseFinding:
    confirmed = [finding for finding in findings if finding.is_confirmed]
    if not confirmed and missing is not None:
        kind = type(missing.module).__name__
        sentence = f"no node computes the layer {missing.path} ({kind}) before it"
        fix = "export with another exporter"
        return CauseFinding(Cause.EXPORT_SEMANTICS, sentence, fix, float("inf"))
    if confirmed or findings:
        return (confirmed or sorted(findings, key=lambda finding: finding.ratio))[0]
    sentence = f"computes other values than the layer {path} in PyTorch"
    fix = "export with another exporter, or report the difference to it"
    return CauseFinding(Cause.EXPORT_SEMANTICS, sentence, fix, float("inf"))


def _diagnosis(best: CauseFinding, point: Point, ratio: float, allowed: Allowance) -> Diagnosis:
    return Diagnosis(
        node=point.node,
        operator=point.operator,
        candidate="ONNX graph, against PyTorch",
        cause=best.cause.value,
        sentence=best.sentence,
        fix=best.fix,
        is_confirmed=best.is_confirmed,
        isolated=ratio,
        after=best.ratio,
        allowance=allowed.reason,
    )
