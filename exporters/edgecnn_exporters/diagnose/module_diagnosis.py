"""An ONNX graph against the PyTorch network that it was exported from, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point
from edgecnn_exporters.diagnose.allowance import ROUNDING, Allowance, float_errors, judge
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

    Nodes are matched to layers by the module's path, which the canonical graph names them for. A
    batch normalisation that was folded into the sum before it is one with that sum. What a network
    computes by functions, between its layers, belongs to the layer after.

    Args:
        module: in evaluation mode, in float32.
        model: the canonical graph of it, or what is said to be that.
        feed: (batch, …), a real input.
    """
    layers, values = _record(module, feed)
    points, said = _match(model, layers, values)
    held = {str(model.graph.inputs[0].name): feed}
    held |= {name: values[layer.path if layer.norm is None else _norm_path(layer, layers)]
             for name, layer in said.items()}  # fmt: skip
    parts = cut(model, points, held)
    names = list(parts.made)
    found = run_onnx(parts.model, list(parts.made.values()), parts.feeds(held))
    sums = float_errors(model, held)
    for name, array in zip(names, found, strict=True):
        floor = max(sums[name] * ROUNDING["fp32"], 1e-30)
        allowed = Allowance(floor, floor, "float32 sums in another order")
        error = judge(held[name], array, allowed)
        if not error.is_within:
            mended = _mender(parts, name, held, allowed)
            node = next(n for n in model.graph if n.name == points[name].node)
            missing = _missing_before(said[name].path, layers, said)
            best = _best(list(other_semantics(said[name], node, mended)), said[name].path, missing)
            return _diagnosis(best, points[name], error.ratio, allowed)
    return None


def _record(module: Any, feed: Array) -> tuple[dict[str, TorchLayer], dict[str, Array]]:
    """Every leaf layer that runs once, with the norm that reads it, and the output of each."""
    import torch

    runs: dict[str, list[tuple[Any, Any, Any]]] = {}
    hooks = [
        layer.register_forward_hook(
            lambda layer, given, made, path=path: runs.setdefault(path, []).append(
                (given[0], made, made.clone())
            )
        )
        for path, layer in module.named_modules()
        if path and not list(layer.children())
    ]
    try:
        with torch.no_grad():
            module(torch.from_numpy(feed))
    finally:
        for hook in hooks:
            hook.remove()
    once = {path: found[0] for path, found in runs.items() if len(found) == 1}
    kinds = dict(module.named_modules())
    layers = {}
    for path, (_, made, _) in once.items():
        norms = [p for p, (given, _, _) in once.items() if given is made and p != path]
        norm = kinds[norms[0]] if norms and type(kinds[norms[0]]).__name__ in NORMS else None
        layers[path] = TorchLayer(path, kinds[path], norm)
    return layers, {path: values.numpy() for path, (_, _, values) in once.items()}


def _norm_path(layer: TorchLayer, layers: Mapping[str, TorchLayer]) -> str:
    return next(path for path, other in layers.items() if other.layer is layer.norm)


def _match(
    model: ir.Model, layers: Mapping[str, TorchLayer], values: Mapping[str, Array]
) -> tuple[dict[str, Point], dict[str, TorchLayer]]:
    """The last node of each layer, in the graph's order, by the value that it makes."""
    unfolded = {str(node.name) for node in model.graph if node.op_type == "BatchNormalization"}
    last: dict[str, ir.Node] = {}
    for node in model.graph:
        path = re.sub(r"_\d+$", "", str(node.name))
        if path in layers and node.outputs[0].name:
            last.pop(path, None)
            last[path] = node
    source = model.graph.inputs[0]
    points = {str(source.name): _point(source, str(source.name), "")}
    said = {}
    for path, node in last.items():
        layer, output = layers[path], node.outputs[0]
        if layer.norm is not None and _norm_path(layer, layers) in unfolded:
            layer = TorchLayer(path, layer.layer)
        name = str(output.name)
        points[name] = _point(output, str(node.name), node.op_type)
        said[name] = layer
    return points, said


def _point(value: ir.Value, node: str, operator: str) -> Point:
    name = str(value.name)
    return Point(name=name, made=name, read=name, node=node, operator=operator)


def _mender(
    parts: Cut, name: str, held: Mapping[str, Array], allowed: Allowance
) -> Callable[[Callable[[ir.Graph, ir.Node], None]], float]:
    """A function that edits the value's node in its region and returns the error ratio."""
    feeds = parts.feeds(held)

    def mended(edit: Callable[[ir.Graph, ir.Node], None]) -> float:
        piece = region(parts, name).clone()
        node = next(node for node in piece.graph if node.name == parts.points[name].node)
        edit(piece.graph, node)
        try:
            (made,) = run_onnx(piece, [parts.made[name]], feeds)
        except EngineError:  # it refuses a node whose shapes no longer fit
            return float("inf")
        return judge(held[name], made, allowed).ratio

    return mended


def _missing_before(
    path: str, layers: Mapping[str, TorchLayer], said: Mapping[str, TorchLayer]
) -> TorchLayer | None:
    """The layer that ran right before, where no node of the graph computes it."""
    order, known = list(layers), {layer.path for layer in said.values()}
    before = order[order.index(path) - 1] if order.index(path) else path
    kind = type(layers[before].layer).__name__
    is_idle = kind in (*NORMS, "Identity", "Dropout", "Dropout2d", "Flatten")
    return None if before in known or is_idle else layers[before]


def _best(findings: list[CauseFinding], path: str, missing: TorchLayer | None) -> CauseFinding:
    confirmed = [finding for finding in findings if finding.is_confirmed]
    if not confirmed and missing is not None:
        kind = type(missing.layer).__name__
        sentence = f"no node computes the layer {missing.path} ({kind}) before it"
        remedy = "export with another exporter"
        return CauseFinding(Cause.EXPORT_SEMANTICS, sentence, remedy, float("inf"))
    if confirmed or findings:
        return (confirmed or sorted(findings, key=lambda finding: finding.ratio))[0]
    sentence = f"computes other values than the layer {path} in PyTorch"
    remedy = "export with another exporter, or report the difference to it"
    return CauseFinding(Cause.EXPORT_SEMANTICS, sentence, remedy, float("inf"))


def _diagnosis(best: CauseFinding, point: Point, ratio: float, allowed: Allowance) -> Diagnosis:
    return Diagnosis(
        node=point.node,
        operator=point.operator,
        suspect="ONNX graph, against PyTorch",
        cause=best.cause.value,
        sentence=best.sentence,
        remedy=best.remedy,
        is_confirmed=best.is_confirmed,
        isolated=ratio,
        after=best.ratio,
        allowance=allowed.reason,
    )
