"""An artefact of a bundle, opened as a diagnosis candidate."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.diagnose.sources import Candidate, OnnxCandidate
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import is_importable
from edgecnn_runtime.engines.table import ENGINES, EngineEntry
from edgecnn_runtime.errors import EngineUnavailable
from edgecnn_runtime.manifest import Artefact


def open_candidate(bundle: Bundle, artefact: Artefact, source: ir.Model | None) -> Candidate:
    """Open an artefact of a bundle as a diagnosis candidate.

    Args:
        source: the ONNX graph that it was written from, where the bundle has it: names, for those
            formats that have none.

    Raises:
        BundleError: a file differs from its entry in the manifest.
        UnsupportedModel: the format cannot be diagnosed, or lacks its `source`.
        EngineUnavailable: the engine of the format is not installed.
    """
    content = bundle.read_artefact(artefact)
    if artefact.format == "onnx":
        return OnnxCandidate(_parse(content.model), artefact.precision)
    if artefact.format == "tflite":
        _require(ENGINES["tflite"])
        from edgecnn_exporters.diagnose.tflite.candidate import TfliteCandidate

        return TfliteCandidate(content.model, artefact.precision)
    if artefact.format == "openvino" and content.weights is not None:
        if source is None:
            raise UnsupportedModel(
                f"{bundle.path}: the bundle has no ONNX graph that {artefact.path} was made from; "
                "export it again with the target onnx"
            )
        _require(ENGINES["openvino"])
        from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate

        return OpenVinoCandidate(content.model, content.weights, source, artefact.precision)
    raise UnsupportedModel(
        f"{artefact.path}: format {artefact.format!r} cannot be diagnosed; onnx, tflite and "
        "openvino can"
    )


def _require(engine: EngineEntry) -> None:
    """Check that the engine's first package is installed, which alone has TFLite's schema."""
    if not is_importable(engine.packages[0].module):
        raise EngineUnavailable(engine.name, engine.extra)


def model_of(bundle: Bundle, artefact: Artefact) -> ir.Model:
    """The graph of an ONNX artefact.

    Raises:
        BundleError: the file differs from its entry in the manifest.
    """
    return _parse(bundle.read_artefact(artefact).model)


def _parse(content: bytes) -> ir.Model:
    import onnx

    return ir.from_proto(onnx.load_from_string(content))
