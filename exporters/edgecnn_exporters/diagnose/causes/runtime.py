"""Cause: a runtime error in a correct artefact, in graph optimiser, precision or kernel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.allowance import PRODUCTS, Error, measure_error
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding, named, operators_of
from edgecnn_exporters.diagnose.causes.saturation import ORDERS, saturated
from edgecnn_exporters.diagnose.isolate import Cut
from edgecnn_exporters.diagnose.sources import OPTIMISER, run_onnx
from edgecnn_exporters.passes.graph import constant, set_constant
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError

IN_FLOAT32 = "computing in float32"
PLAIN_KERNELS = "without delegates"
# Largest share of the error that an explanation may leave.
EXPLAINED = 0.25

_CAUSES = {
    OPTIMISER: (
        Cause.GRAPH_OPTIMISER,
        "right without ONNX Runtime's graph optimiser, wrong with it",
        "disable the rewrite: SessionOptions.graph_optimization_level, or disabled_optimizers",
    ),
    IN_FLOAT32: (
        Cause.PRECISION,
        "right when set to compute in float32, wrong in the precision that the runtime chooses",
        "INFERENCE_PRECISION_HINT: f32",
    ),
    PLAIN_KERNELS: (
        Cause.KERNEL,
        "right with TFLite's own kernels, wrong with XNNPACK's",
        "open the model with OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    ),
}


def other_runtime(case: Case, cut: Cut, values: dict[str, Array]) -> Iterator[CauseFinding]:
    """Other settings of the same runtime, and its result in fewer bits."""
    has_its_shape = case.actual.shape == case.expected.shape
    if has_its_shape:
        yield from _saturation(case)
    for setting, other in case.candidate.settings.items():
        actual = other.isolated(cut, values)[case.name]
        ratio = measure_error(case.expected, actual, case.allowed).ratio
        if ratio > 1:
            continue
        cause, sentence, fix = _CAUSES[setting]
        if setting == OPTIMISER:
            sentence += f" ({', '.join(n.op_type for n in operators_of(case.theirs))})"
        sentence = f"{case.candidate.name}: {sentence}"
        yield CauseFinding(cause, sentence, fix, ratio, _heaviest(case))
    if has_its_shape:
        yield from _few_bits(case)
    kinds = " and ".join(node.op_type for node in operators_of(case.theirs))
    sentence = f"{case.candidate.name} does not compute {kinds} as the artefact defines it"
    fix = "use another version of the runtime"
    yield CauseFinding(Cause.KERNEL, sentence, fix, float("inf"), _heaviest(case))


def _heaviest(case: Case) -> tuple[str, str] | None:
    """The sum of a region, or else its last operator."""
    nodes = operators_of(case.ours)
    sums = [node for node in nodes if node.op_type in PRODUCTS]
    return named([*nodes, *sums][-1]) if nodes else None


def half_precision(case: Case) -> Iterator[CauseFinding]:
    """Computing in 16 bits in the artefact itself, where the original computes in 32."""
    kinds = sorted({kind.name for kind in _sixteen_bits(case.theirs)} - {
        kind.name for kind in _sixteen_bits(case.ours)
    })  # fmt: skip
    if kinds:
        words = " and ".join(kinds).lower()
        sentence = f"computed and summed in {words} where the original has float32"
        fix = "keep the node in float32"
        ratio = case.ratio_after(lambda model: _in_float32(model, case.ours))
        yield CauseFinding(Cause.PRECISION, sentence, fix, ratio, _heaviest(case))


_SIXTEEN = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def _sixteen_bits(model: ir.Model) -> set[ir.DataType]:
    """The 16-bit types that the graph casts values to."""
    kinds = {
        ir.DataType(node.attributes.get_int("to", 1))
        for node in model.graph
        if node.op_type == "Cast" and constant(node.inputs[0]) is None
    }
    return {kind for kind in kinds if kind in _SIXTEEN}


def _in_float32(model: ir.Model, ours: ir.Model) -> None:
    """Bring the region to 32 bits, with the original's numbers for those rounded to 16."""
    graph = model.graph
    nodes = operators_of(ours), operators_of(model)
    if [node.op_type for node in nodes[0]] == [node.op_type for node in nodes[1]]:
        for own, other in zip(*nodes, strict=True):
            for index, value in enumerate(own.inputs):
                array = constant(value)
                if array is not None and index < len(other.inputs):
                    set_constant(graph, other, index, array, f"{other.name}.{index}.fixed")
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
    encoding = case.point.encoding
    encode = (lambda array: array) if encoding is None else encoding.fake_quantise
    for order in ORDERS:
        sums = saturated(case.theirs, case.feeds, order)
        if sums is None:
            return
        exact, short = sums
        explained = _rms(case.actual - encode(short)) / max(
            _rms(case.actual - encode(exact)), 1e-30
        )
        if explained > EXPLAINED:
            continue
        share = float((np.abs(short - exact) > np.abs(exact).max() * 1e-6).mean())
        sentence = (
            f"pairs of u8 × s8 products overflow 16 bits in {share:.1%} of the sums: the engine "
            "adds them with VPMADDUBSW"
        )
        fix = "quantise weights to 7 bits (--weight-bits 7), or use a CPU with VNNI"
        ratio = measure_error(case.expected, encode(exact), case.allowed).ratio
        yield CauseFinding(Cause.SATURATION, sentence, fix, ratio, _heaviest(case))
        return


def _few_bits(case: Case) -> Iterator[CauseFinding]:
    """Computing in 16 bits: the error of inputs and weights that are rounded to them."""
    for name, rounded in (("bfloat16", to_bfloat16), ("float16", _to_float16)):
        copy = case.theirs.clone()
        for value in copy.graph.initializers.values():
            array = constant(value)
            if array is not None and array.dtype == np.float32 and array.size > 1:
                value.const_value = ir.tensor(rounded(array), name=value.name)
        feeds = {key: rounded(value) for key, value in case.feeds.items()}
        (output,) = run_onnx(copy, [str(copy.graph.outputs[0].name)], feeds)
        if _rms(case.actual - rounded(output)) < EXPLAINED * _rms(case.actual - case.expected):
            sentence = f"{case.candidate.name} computes in {name} what the artefact has in float32"
            fix = "set the runtime to compute in float32"
            ratio = case.error_of(case.theirs).ratio
            yield CauseFinding(Cause.PRECISION, sentence, fix, ratio, _heaviest(case))
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


def is_as_computed(case: Case) -> bool:
    """Whether the content that was read from the artefact's file gives what its runtime gives.

    Where it does not, the file was not understood, or the runtime is wrong as well.
    """
    if case.candidate.content is case.candidate.model:
        return True
    output = str(case.theirs.graph.outputs[0].name)
    try:
        (computed,) = run_onnx(case.theirs, [output], case.feeds)
    except EngineError:
        return False
    return measure_error(case.actual, computed, case.allowed).is_within


def content_error(case: Case) -> Error:
    """Error of the artefact's content, computed in float: the runtime has no part in it."""
    return case.error_of(case.theirs)
