"""TFLite as a target: the file, its metadata, and the limit on TRANSPOSE operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.targets import (
    About,
    Precision,
    Translated,
    artefact_path,
)
from edgecnn_exporters.targets.tflite import Io
from edgecnn_runtime.manifest import Artefact, ProofKind

if TYPE_CHECKING:
    import onnx_ir as ir

    from edgecnn_exporters.targets.tflite.write import TfliteModel
    from edgecnn_runtime.engines.protocol import Engine

# Batch of a network whose own is dynamic: TFLite's kernels and compilers need a fixed one.
BATCH = 1


@dataclass(frozen=True)
class TfliteTargetOptions:
    """Options of the TFLite files of an export.

    Attributes:
        io: element type of the inputs and outputs of an int8 file.
        most_transposes: TRANSPOSE operators that a file may hold. None: none in a network of the
            zoo, any number in others.
    """

    io: Io = "float32"
    most_transposes: int | None = None


@dataclass(frozen=True)
class TfliteTarget:
    """``model.tflite``, ``model.fp16.tflite`` and ``model.int8.tflite``, which LiteRT runs."""

    options: TfliteTargetOptions = field(default_factory=TfliteTargetOptions)

    name: ClassVar[str] = "tflite"
    format: ClassVar[str] = "tflite"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
    engine: ClassVar[str | None] = "tflite"
    options_type: ClassVar[type[TfliteTargetOptions]] = TfliteTargetOptions
    proof: ClassVar[ProofKind] = "measured"

    def translate(self, model: ir.Model, precision: Precision, about: About) -> Translated:
        """The artefact.

        Raises:
            UnsupportedModel: as `write_tflite` says.
            LimitMissed: it holds more TRANSPOSE operators than are allowed.
        """
        from edgecnn_exporters.passes.graph import extent
        from edgecnn_exporters.targets.tflite.metadata import METADATA, describe, with_labels
        from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

        io = self.options.io if precision == "int8" else "float32"
        own_batch = extent(model.graph.inputs[0], 0)
        written = write_tflite(
            model,
            TfliteOptions(
                precision=precision,
                io=io,
                batch=own_batch or BATCH,
                description=about.name,
                metadata={METADATA: describe(model, about, io)},
            ),
        )
        self._check_budget(written, about, precision)
        path = artefact_path(precision, self.suffixes[0])
        encodings = dict(written.encodings)
        return Translated(
            self,
            Artefact(path, self.format, precision, layout=written.layout, encodings=encodings),
            {path: with_labels(written.content, about.labels)},
            written.operators,
            batch=BATCH if own_batch is None else None,
        )

    def open_exact(self, translated: Translated) -> Engine | None:
        """None: no fault of LiteRT's kernels is known."""
        return None

    def _check_budget(self, written: TfliteModel, about: About, precision: str) -> None:
        most = self.options.most_transposes
        if most is None and about.is_zoo:
            most = 0
        if most is not None and written.transposes > most:
            raise LimitMissed(
                f"{about.name} as TFLite, {precision}, holds {written.transposes} TRANSPOSE "
                f"operators, {most} are allowed; look for a Reshape between images that joins or "
                "cuts the channels"
            )
