"""Diagnosis of an artefact of a bundle, or of its preprocessing."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.diagnose import diagnose, diagnose_preprocessing
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.sources import Candidate, OnnxCandidate
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import is_importable
from edgecnn_runtime.engines.table import ENGINES, EngineEntry
from edgecnn_runtime.errors import EngineUnavailable
from edgecnn_runtime.manifest import Artefact


def diagnose_artefact(bundle: Bundle, artefact: Artefact) -> Diagnosis | None:
    """Diagnose an artefact that differs from the original network; None where no node of it does.

    Its reference is the bundle's float ONNX graph; for an 8-bit artefact of another format the QDQ
    graph, whose scales it copies. The inputs are the golden ones. None for the float graph itself
    means that ONNX Runtime computes it correctly, and that the golden outputs come from another
    network.

    Raises:
        BundleError: a file differs from its entry in the manifest.
        UnsupportedModel: the bundle has no float ONNX graph, or the format cannot be diagnosed.
        EngineUnavailable: the engine of the format is not installed.
    """
    reference = _reference(bundle, artefact)
    feeds = _golden_inputs(bundle)
    return diagnose(reference, open_candidate(bundle, artefact, reference), feeds)


def diagnose_bundle_preprocessing(bundle: Bundle) -> Diagnosis | None:
    """Diagnose preprocessing that does not give the golden inputs; None where it does.

    Raises:
        BundleError: a file differs from its entry in the manifest.
    """
    spec, name = bundle.manifest.preprocess, bundle.manifest.inputs[0].name
    examples = [bundle.golden(index) for index in range(len(bundle.manifest.golden))]
    pairs = [(each.image, each.inputs[name]) for each in examples if each.image is not None]
    return None if spec is None or not pairs else diagnose_preprocessing(spec, pairs, name)


def open_candidate(bundle: Bundle, artefact: Artefact, reference: ir.Model) -> Candidate:
    """Open an artefact of a bundle as a diagnosis candidate.

    Raises:
        BundleError, UnsupportedModel, EngineUnavailable: as in `diagnose_artefact`.
    """
    content = bundle.read_artefact(artefact)
    if artefact.format == "onnx":
        return OnnxCandidate(_model(content.model), artefact.precision)
    if artefact.format == "tflite":
        _require(ENGINES["tflite"])
        from edgecnn_exporters.diagnose.tflite.candidate import TfliteCandidate

        return TfliteCandidate(content.model, artefact.precision)
    if artefact.format == "openvino" and content.weights is not None:
        _require(ENGINES["openvino"])
        from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate

        return OpenVinoCandidate(content.model, content.weights, reference, artefact.precision)
    raise UnsupportedModel(
        f"{artefact.path}: format {artefact.format!r} cannot be diagnosed; onnx, tflite and "
        "openvino can"
    )


def _require(engine: EngineEntry) -> None:
    """Check that the engine's first package is installed, which alone has TFLite's schema."""
    if not is_importable(engine.packages[0].module):
        raise EngineUnavailable(engine.name, engine.extra)


def _reference(bundle: Bundle, artefact: Artefact) -> ir.Model:
    graphs = {a.precision: a for a in reversed(bundle.manifest.artefacts) if a.format == "onnx"}
    wanted = "fp32"
    if artefact.precision == "int8" and artefact.format != "onnx" and "int8" in graphs:
        wanted = "int8"
    if wanted not in graphs:
        raise UnsupportedModel(
            f"{bundle.path}: the bundle has no float ONNX graph to compare {artefact.path} with; "
            "export it again with the target onnx"
        )
    return _model(bundle.read_artefact(graphs[wanted]).model)


def _golden_inputs(bundle: Bundle) -> dict[str, Array]:
    examples = [bundle.golden(index) for index in range(len(bundle.manifest.golden))]
    names = [spec.name for spec in bundle.manifest.inputs]
    return {name: np.concatenate([each.inputs[name] for each in examples]) for name in names}


def _model(content: bytes) -> ir.Model:
    import onnx

    return ir.from_proto(onnx.load_from_string(content))
