"""The diagnosis of one row of `edgecnn verify`: an artefact of a bundle on one engine."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.diagnose import diagnose, diagnose_preprocessing
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.sources import OnnxSuspect, Suspect
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import ENGINES, EngineEntry, is_importable
from edgecnn_runtime.errors import EngineUnavailable
from edgecnn_runtime.manifest import Artefact


def diagnose_artefact(bundle: Bundle, artefact: Artefact) -> Diagnosis | None:
    """Diagnose an artefact that differs from the original network; None where no node of it does.

    It is held against the float graph of the bundle; an 8-bit one of another format against the
    QDQ graph, whose scales it was to copy. The inputs are the golden ones. None for the float
    graph itself means that ONNX Runtime computes what it says, and that it is another network than
    the golden outputs came from.

    Raises:
        BundleError: a file is not what the bundle says.
        UnsupportedModel: the bundle has no float ONNX graph, or the format cannot be looked into.
        EngineUnavailable: the engine of the format is not installed.
    """
    reference = _reference(bundle, artefact)
    feeds = _golden_inputs(bundle)
    return diagnose(reference, open_suspect(bundle, artefact, reference), feeds)


def diagnose_bundle_preprocessing(bundle: Bundle) -> Diagnosis | None:
    """Diagnose preprocessing that does not make the golden inputs; None where it does.

    Raises:
        BundleError: a file is not what the bundle says.
    """
    spec, name = bundle.manifest.preprocess, bundle.manifest.inputs[0].name
    examples = [bundle.golden(index) for index in range(len(bundle.manifest.golden))]
    pairs = [(each.image, each.inputs[name]) for each in examples if each.image is not None]
    return None if spec is None or not pairs else diagnose_preprocessing(spec, pairs, name)


def open_suspect(bundle: Bundle, artefact: Artefact, reference: ir.Model) -> Suspect:
    """Open an artefact of a bundle as a diagnosis candidate.

    Raises:
        BundleError, UnsupportedModel, EngineUnavailable: as `diagnose_artefact` says.
    """
    content = bundle.read_artefact(artefact)
    if artefact.format == "onnx":
        return OnnxSuspect(_model(content.model), artefact.precision)
    if artefact.format == "tflite":
        _require(ENGINES["tflite"])
        from edgecnn_exporters.diagnose.tflite.suspect import TfliteSuspect

        return TfliteSuspect(content.model, artefact.precision)
    if artefact.format == "openvino" and content.weights is not None:
        _require(ENGINES["openvino"])
        from edgecnn_exporters.diagnose.openvino_suspect import OpenVinoSuspect

        return OpenVinoSuspect(content.model, content.weights, reference, artefact.precision)
    raise UnsupportedModel(
        f"{artefact.path}: format {artefact.format!r} cannot be looked into; onnx, tflite and "
        "openvino can"
    )


def _require(engine: EngineEntry) -> None:
    """The engine's first package is installed; the schema of TFLite comes with that alone."""
    if not is_importable(engine.packages[0].module):
        raise EngineUnavailable(engine.name, engine.extra)


def _reference(bundle: Bundle, artefact: Artefact) -> ir.Model:
    graphs = {a.precision: a for a in reversed(bundle.manifest.artefacts) if a.format == "onnx"}
    wanted = "fp32"
    if artefact.precision == "int8" and artefact.format != "onnx" and "int8" in graphs:
        wanted = "int8"
    if wanted not in graphs:
        raise UnsupportedModel(
            f"{bundle.path}: there is no float ONNX graph in the bundle to hold {artefact.path} "
            "against; export it again with the target onnx"
        )
    return _model(bundle.read_artefact(graphs[wanted]).model)


def _golden_inputs(bundle: Bundle) -> dict[str, Array]:
    examples = [bundle.golden(index) for index in range(len(bundle.manifest.golden))]
    names = [spec.name for spec in bundle.manifest.inputs]
    return {name: np.concatenate([each.inputs[name] for each in examples]) for name in names}


def _model(content: bytes) -> ir.Model:
    import onnx

    return ir.from_proto(onnx.load_from_string(content))
