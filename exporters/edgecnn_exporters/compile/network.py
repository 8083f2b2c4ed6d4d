"""The integer network of a bundle, in the forms that compilers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn_exporters.errors import NotQuantised, UnsupportedModel
from edgecnn_exporters.targets import About
from edgecnn_exporters.targets.compilers import Example, IntegerNetwork
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.learn.provenance import LEARNT
from edgecnn_runtime.manifest import Artefact

if TYPE_CHECKING:
    import onnx_ir as ir

AGAIN = "export it again with --quantize int8"


def read_network(bundle: Bundle) -> IntegerNetwork:
    """The integer network of a bundle: its QDQ graph of batch 1, every result in 8 bits.

    Raises:
        NotQuantised: the bundle has no QDQ graph, or a result has no 8-bit encoding.
        UnsupportedModel: its batch is fixed to more than one, or TFLite cannot hold it.
    """
    from edgecnn_exporters.capture.reference import to_bytes
    from edgecnn_exporters.quantise.graph.integer_ends import uint8_ends

    model = _parse(bundle, qdq_artefact(bundle))
    graph = _integer_graph(bundle, model)
    onnx = to_bytes(graph)
    try:
        ends, encodings = uint8_ends(graph)
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{bundle.path}: {error}") from error
    labels = bundle.labels()
    about = About(bundle.manifest.name, bundle.manifest.preprocess, labels)
    tflite, entry = _tflite(model, about)
    examples = _examples(bundle)
    return IntegerNetwork(
        about=about,
        manifest=bundle.manifest,
        labels=labels,
        onnx=onnx,
        onnx_uint8=to_bytes(ends),
        tflite=tflite,
        tflite_entry=entry,
        uint8=encodings,
        cpu_int8=_answers(onnx, examples),
        examples=examples,
    )


def qdq_artefact(bundle: Bundle) -> Artefact:
    """The bundle's QDQ graph: the source of every scale.

    Raises:
        NotQuantised: it has none.
    """
    for artefact in bundle.manifest.artefacts:
        if (artefact.format, artefact.precision, artefact.target) == ("onnx", "int8", None):
            return artefact
    listing = ", ".join(one.path for one in bundle.manifest.artefacts)
    raise NotQuantised(
        f"{bundle.path} holds no 8-bit ONNX graph ({listing}), and compiling quantises nothing; "
        f"{AGAIN}"
    )


def _parse(bundle: Bundle, artefact: Artefact) -> ir.Model:
    import onnx
    import onnx_ir as ir

    content = bundle.read_artefact(artefact).model
    try:
        return ir.from_proto(onnx.load_from_string(content))
    except Exception as error:  # protobuf's and onnx_ir's errors share no narrower base
        reason = first_line(error)
        raise UnsupportedModel(f"{bundle.path}: {artefact.path} is no ONNX: {reason}") from error


def graph_digest(bundle: Bundle) -> str:
    """The sha256 of the bundle's QDQ graph, from which all compiled artefacts are made."""
    return bundle.manifest.files[qdq_artefact(bundle).path].sha256


def _way(bundle: Bundle) -> str:
    """How to get 8-bit encodings of results: what has learnt has been exported since."""
    if LEARNT not in bundle.manifest.provenance:
        return AGAIN
    return (
        "learning on a device measures none: edgecnn bundle extract "
        f"{bundle.path} -o DIR, then edgecnn export DIR/model.onnx --quantize int8"
    )


def _integer_graph(bundle: Bundle, qdq: ir.Model) -> ir.Model:
    """The QDQ graph, which stays as it is, of batch 1 and with results of 8 bits.

    Raises:
        NotQuantised: a result has no encoding.
        UnsupportedModel: its batch is fixed to more than one.
    """
    from edgecnn_exporters.passes.fixed_batch import fix_batch
    from edgecnn_exporters.passes.graph import extent
    from edgecnn_exporters.quantise.graph.integer_results import float_outputs, with_integer_results

    model = with_integer_results(qdq)
    if left := float_outputs(model.graph):
        name, reason = next(iter(left.items()))
        raise NotQuantised(
            f"{bundle.path}: output {name} stays float ({reason}), which no NPU computes; "
            f"{_way(bundle)}"
        )
    batch = extent(model.graph.inputs[0], 0)
    if batch not in (None, 1):
        raise UnsupportedModel(
            f"{bundle.path} has batch {batch}, and compiled networks take one image at a time; "
            "export it again with --batch 1 or --batch dynamic"
        )
    fix_batch(model, 1)
    return model


def _tflite(model: ir.Model, about: About) -> tuple[bytes, Artefact]:
    from edgecnn_exporters.targets.tflite.target import TfliteTarget, TfliteTargetOptions

    target = TfliteTarget(TfliteTargetOptions(io="int8"))
    translated = target.translate(model, "int8", about)
    return translated.model, translated.artefact


def _examples(bundle: Bundle) -> tuple[Example, ...]:
    """The golden examples of batch 1: those beside the bundle, where it has any, else its own."""
    inside = (bundle.golden(index) for index in range(len(bundle.manifest.golden)))
    arrays = list(bundle.outside() or inside)
    return tuple(
        Example(each.inputs, each.outputs)
        for each in arrays
        if all(len(array) == 1 for array in each.inputs.values())
    )


def _answers(
    onnx: bytes, examples: tuple[Example, ...]
) -> tuple[dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]], ...]:
    from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine

    engine = OnnxRuntimeEngine.open(onnx)
    try:
        return tuple(engine.run(example.inputs) for example in examples)
    finally:
        engine.close()
