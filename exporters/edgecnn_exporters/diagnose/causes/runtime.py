"""Cause: a right artefact that the runtime computes wrongly, in its graph optimiser, its precision
or its kernel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.allowance import PRODUCTS, Error, judge
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding, named, operators_of
from edgecnn_exporters.diagnose.causes.saturation import ORDERS, saturated
from edgecnn_exporters.diagnose.isolate import Cut
from edgecnn_exporters.diagnose.sources import OPTIMISER, run_onnx
from edgecnn_exporters.passes.graph import constant, set_constant
from edgecnn_runtime.arrays import Array

IN_FLOAT32 = "computing in float32"
PLAIN_KERNELS = "without delegates"
# How much of an error an explanation must take away.
EXPLAINED = 0.25

_CAUSES = {
    OPTIMISER: (
        Cause.GRAPH_OPTIMISER,
        "right without ONNX Runtime's graph optimiser, wrong with it",
        "disable the rewrite: SessionOptions.graph_optimization_level, or disabled_optimizers",
    ),
    IN_FLOAT32: (
        Cause.PRECISION,
        "right when told to compute in float32, wrong at the runtime's own choice",
        "INFERENCE_PRECISION_HINT: f32",
    ),
    PLAIN_KERNELS: (
        Cause.KERNEL,
        "right with TFLite's own kernels, wrong with XNNPACK's",
        "open the model with OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    ),
}


def other_runtime(case: Case, cut: Cut, values: dict[str, Array]) -> Iterator[CauseFinding]:
    """Other settings of the same runtime, and what it would compute in fewer bits."""
    yield from _saturation(case)
    for setting, other in case.suspect.settings.items():
        found = other.isolated(cut, values)[case.name]
        ratio = judge(case.expected, found, case.allowed).ratio
        cause, sentence, remedy = _CAUSES[setting]
        if setting == OPTIMISER:
            sentence += f" ({', '.join(n.op_type for n in operators_of(case.theirs))})"
        sentence = f"{case.suspect.name}: {sentence}"
        yield CauseFinding(cause, sentence, remedy, ratio, _heaviest(case))
    yield from _few_bits(case)
    kinds = " and ".join(node.op_type for node in operators_of(case.theirs))
    sentence = f"{case.suspect.name} does not compute what the artefact says of {kinds}"
    remedy = "another version of the runtime"
    yield CauseFinding(Cause.KERNEL, sentence, remedy, float("inf"), _heaviest(case))


def _heaviest(case: Case) -> tuple[str, str] | None:
    """The sum of a region, or else its last operator."""
    nodes = operators_of(case.ours)
    sums = [node for node in nodes if node.op_type in PRODUCTS]
    return named([*nodes, *sums][-1]) if nodes else None


def half_precision(case: Case) -> Iterator[CauseFinding]:
    """The artefact itself asks for 16 bits where the original computes in 32."""
    kinds = sorted({kind.name for kind in _sixteen_bits(case.theirs)} - {
        kind.name for kind in _sixteen_bits(case.ours)
    })  # fmt: skip
    if kinds:
        words = " and ".join(kinds).lower()
        sentence = f"computed and summed in {words} where the original has float32"
        remedy = "keep the node in float32"
        ratio = case.mended(lambda model: _in_float32(model, case.ours))
        yield CauseFinding(Cause.PRECISION, sentence, remedy, ratio, _heaviest(case))


_SIXTEEN = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def _sixteen_bits(model: ir.Model) -> set[ir.DataType]:
    """The types of 16 bits that the graph casts to, to compute in them."""
    kinds = {
        ir.DataType(node.attributes.get_int("to", 1))
        for node in model.graph
        if node.op_type == "Cast" and constant(node.inputs[0]) is None
    }
    return {kind for kind in kinds if kind in _SIXTEEN}


def _in_float32(model: ir.Model, ours: ir.Model) -> None:
    """Everything in 32 bits, and the numbers that were rounded to 16 as the original has them."""
    graph = model.graph
    nodes = operators_of(ours), operators_of(model)
    if [node.op_type for node in nodes[0]] == [node.op_type for node in nodes[1]]:
        for own, other in zip(*nodes, strict=True):
            for index, value in enumerate(own.inputs):
                array = constant(value)
                if array is not None and index < len(other.inputs):
                    set_constant(graph, other, index, array, f"{other.name}.{index}.mended")
    for name, value in list(graph.initializers.items()):
        if value.dtype in _SIXTEEN and (array := constant(value)) is not None:
            value.const_value = ir.tensor(array.astype(np.float32), name=name)
            value.type = ir.TensorType(ir.DataType.FLOAT)
    for node in graph:
        if node.op_type == "Cast" and ir.DataType(node.attributes.get_int("to", 1)) in _SIXTEEN:
            node.attributes["to"] = ir.AttrInt64("to", int(ir.DataType.FLOAT))
        for output in node.outputs:
            if output.dtype in _SIXTEEN:
                output.type = ir.TensorType(ir.DataType.FLOAT)


def _saturation(case: Case) -> Iterator[CauseFinding]:
    """Pairs of u8 × s8 products that are added in 16 bits, as x86 does without VNNI."""
    hold = case.point.encoding.hold if case.point.encoding is not None else lambda array: array
    for order in ORDERS:
        made = saturated(case.theirs, case.feeds, order)
        if made is None:
            return
        exact, short = made
        explained = _rms(case.found - hold(short)) / max(_rms(case.found - hold(exact)), 1e-30)
        if explained > EXPLAINED:
            continue
        share = float((np.abs(short - exact) > np.abs(exact).max() * 1e-6).mean())
        sentence = (
            f"pairs of u8 × s8 products overflow 16 bits in {share:.1%} of the sums: the engine "
            "adds them with VPMADDUBSW"
        )
        remedy = "quantise weights to 7 bits (--weight-bits 7), or a CPU with VNNI"
        ratio = judge(case.expected, hold(exact), case.allowed).ratio
        yield CauseFinding(Cause.SATURATION, sentence, remedy, ratio, _heaviest(case))
        return


def _few_bits(case: Case) -> Iterator[CauseFinding]:
    """The error is that of a node whose inputs and weights were rounded to 16 bits."""
    for name, rounded in (("bfloat16", to_bfloat16), ("float16", _to_float16)):
        copy = case.theirs.clone()
        for value in copy.graph.initializers.values():
            array = constant(value)
            if array is not None and array.dtype == np.float32 and array.size > 1:
                value.const_value = ir.tensor(rounded(array), name=value.name)
        feeds = {key: rounded(value) for key, value in case.feeds.items()}
        (made,) = run_onnx(copy, [str(copy.graph.outputs[0].name)], feeds)
        if _rms(case.found - rounded(made)) < EXPLAINED * _rms(case.found - case.expected):
            sentence = f"{case.suspect.name} computes in {name} what the artefact has in float32"
            remedy = "tell the runtime to compute in float32"
            ratio = case.error_of(case.theirs).ratio
            yield CauseFinding(Cause.PRECISION, sentence, remedy, ratio, _heaviest(case))
            return


def to_bfloat16(array: Array) -> Array:
    """The nearest bfloat16, halves to even, as float32."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    bits = bits + 0x7FFF + ((bits >> 16) & 1)
    rounded: Array = (bits & np.uint32(0xFFFF0000)).view(np.float32)
    return rounded


def _to_float16(array: Array) -> Array:
    return array.astype(np.float16).astype(np.float32)


def _rms(array: Array) -> float:
    return float(np.sqrt(np.square(array, dtype=np.float64).mean()))


def content_error(case: Case) -> Error:
    """Of what the artefact says, whatever the runtime makes of it."""
    return case.error_of(case.theirs)
