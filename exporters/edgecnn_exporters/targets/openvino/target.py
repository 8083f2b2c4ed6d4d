"""OpenVINO as a target: its intermediate representation, with a note where CPU kernels saturate."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

from edgecnn_exporters.targets import (
    About,
    NoOptions,
    Precision,
    Translated,
    artefact_path,
)
from edgecnn_runtime.manifest import Artefact, ProofKind

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecnn_runtime.engines.protocol import Engine


@dataclass(frozen=True)
class OpenVinoTarget:
    """``model.xml`` with ``model.bin``, and so on, which OpenVINO runs on the CPU."""

    options: NoOptions = field(default_factory=NoOptions)

    name: ClassVar[str] = "openvino"
    format: ClassVar[str] = "openvino"
    suffixes: ClassVar[tuple[str, ...]] = (".xml", ".bin")
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
    engine: ClassVar[str | None] = "openvino"
    options_type: ClassVar[type[NoOptions]] = NoOptions
    proof: ClassVar[ProofKind] = "measured"

    def translate(self, model: ir.Model, precision: Precision, about: About) -> Translated:
        """The artefact.

        Raises:
            EngineUnavailable, UnsupportedModel: as `write_openvino` says.
        """
        from edgecnn_exporters.targets.openvino.write import write_openvino

        written = write_openvino(model, precision)
        graph, weights = (artefact_path(precision, suffix) for suffix in self.suffixes)
        return Translated(
            self,
            Artefact(
                graph,
                self.format,
                precision,
                compiler=f"openvino {version('openvino')}",
                weights=weights,
            ),
            {graph: written.xml, weights: written.weights},
            {},
            notes=_notes(precision, about),
        )

    def open_exact(self, translated: Translated) -> Engine | None:
        """In float32 where OpenVINO's kernels saturate, which is not the file's fault."""
        from edgecnn_exporters.targets.saturation import saturates_here
        from edgecnn_runtime.engines.openvino import OpenVINOEngine

        if not saturates_here():
            return None
        model, weights = translated.model, translated.weights
        return OpenVINOEngine.open(model, weights=weights, in_integers=False)


def _notes(precision: Precision, about: About) -> tuple[str, ...]:
    from edgecnn_exporters.targets.saturation import saturates_here

    if precision == "int8" and about.weight_bits == 8 and saturates_here():
        return ("int8 saturates on this processor (x86 without VNNI): --weight-bits 7",)
    return ()
