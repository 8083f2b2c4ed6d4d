"""ONNX as a target: the canonical graph, the reference of every other artefact."""

from __future__ import annotations

from dataclasses import dataclass, field
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
class OnnxTarget:
    """``model.onnx`` and ``model.int8.onnx``, which ONNX Runtime runs."""

    options: NoOptions = field(default_factory=NoOptions)

    name: ClassVar[str] = "onnx"
    format: ClassVar[str] = "onnx"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "int8")
    engine: ClassVar[str | None] = "onnxruntime"
    options_type: ClassVar[type[NoOptions]] = NoOptions
    proof: ClassVar[ProofKind] = "measured"

    def translate(self, model: ir.Model, precision: Precision, about: About) -> Translated:
        from edgecnn_exporters.capture.reference import to_bytes

        return self.from_bytes(to_bytes(model), precision)

    def from_bytes(self, content: bytes, precision: Precision) -> Translated:
        """The artefact of a graph that is serialised already."""
        path = artefact_path(precision, self.suffixes[0])
        return Translated(self, Artefact(path, self.format, precision), {path: content}, {})

    def open_exact(self, translated: Translated) -> Engine | None:
        """None: `session_options` has ONNX Runtime compute exactly where pairs would saturate."""
        return None
