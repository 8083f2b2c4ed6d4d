"""TFLite as a target of an export: the file, its metadata, and the budget of its layout."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.passes.graph import extent
from edgecnn_exporters.targets import About, Precision, Translated
from edgecnn_exporters.targets.tflite import TfliteModel, TfliteOptions, write_tflite
from edgecnn_exporters.targets.tflite.metadata import METADATA, describe, with_labels
from edgecnn_runtime.manifest import Artefact

# Of a network whose batch is dynamic: TFLite's kernels and compilers want to know it.
BATCH = 1


def translate(model: ir.Model, precision: Precision, about: About) -> Translated:
    """The artefact ``model.tflite``, ``model.fp16.tflite`` or ``model.int8.tflite``.

    Raises:
        UnsupportedModel: as `write_tflite` says.
        LimitMissed: it holds more TRANSPOSE operators than are allowed.
    """
    io = about.wishes.io if precision == "int8" else "float32"
    said = extent(model.graph.inputs[0], 0)
    options = TfliteOptions(
        precision=precision,
        io=io,
        batch=said or BATCH,
        description=about.name,
        metadata={METADATA: describe(model, about, io)},
    )
    found = write_tflite(model, options)
    _check_budget(found, about, precision)
    path = "model.tflite" if precision == "fp32" else f"model.{precision}.tflite"
    artefact = Artefact(
        path, "tflite", precision, layout=found.layout, encodings=dict(found.encodings)
    )
    return Translated(
        artefact,
        {path: with_labels(found.content, about.labels)},
        found.operators,
        batch=BATCH if said is None else None,
    )


def _check_budget(found: TfliteModel, about: About, precision: str) -> None:
    most = about.wishes.most_transposes
    if most is not None and found.transposes > most:
        raise LimitMissed(
            f"{about.name} as TFLite, {precision}, holds {found.transposes} TRANSPOSE operators, "
            f"{most} are allowed; look for a Reshape between images that joins or cuts the channels"
        )
