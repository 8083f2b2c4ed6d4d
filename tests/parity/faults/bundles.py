"""Bundles of the probe in every format, with faults in some of the artefacts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx_ir as ir
from parity.faults.probe import float_graph, inputs, quantised_graph

from edgecnn.verify.diagnose import RowDiagnosis
from edgecnn.verify.search import find_causes
from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_exporters.targets import About
from edgecnn_exporters.targets.onnx.target import OnnxTarget
from edgecnn_exporters.targets.openvino.target import OpenVinoTarget
from edgecnn_exporters.targets.tflite.target import TfliteTarget, TfliteTargetOptions
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import (
    Artefact,
    ChannelGroup,
    Golden,
    Manifest,
    Postprocess,
    Preprocess,
)
from edgecnn_runtime.parity.contents import GOLDEN_LABELS
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verify import verify
from edgecnn_runtime.tensor_spec import TensorSpec

Plant = Callable[[ir.Model], None]
Artefacts = tuple[tuple[str, str], ...]

EVERY: Artefacts = tuple(
    (each, precision) for each in ("onnx", "tflite", "openvino") for precision in ("fp32", "int8")
)
PATHS = {
    ("onnx", "fp32"): "model.onnx",
    ("onnx", "int8"): "model.int8.onnx",
    ("tflite", "fp32"): "model.tflite",
    ("tflite", "int8"): "model.int8.tflite",
    ("openvino", "fp32"): "model.xml",
    ("openvino", "int8"): "model.int8.xml",
}
EXAMPLES = 6
SPEC = Preprocess("RGB", None, "bilinear", None, 1 / 255, (0.5, 0.4, 0.45), (0.25, 0.2, 0.22))
LABELS = ("ant", "bee", "cat", "dog", "eel")


@cache
def images() -> list[np.ndarray]:
    levels = np.rint((inputs(EXAMPLES) * 0.25 + 0.5) * 255)
    return list(np.clip(levels, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1))


@cache
def translated(
    format: str, precision: str, plant: Plant | None, io: str = "float32"
) -> tuple[Artefact, Mapping[str, bytes]]:
    """An artefact and its files, written from a graph with the fault."""
    graph = (float_graph() if precision == "fp32" else quantised_graph()).clone()
    if plant is not None:
        plant(graph)
    if format == "onnx":
        written = OnnxTarget().from_bytes(to_bytes(graph), precision)  # type: ignore[arg-type]
    else:
        options = TfliteTargetOptions(io=io)  # type: ignore[arg-type]
        target = TfliteTarget(options) if format == "tflite" else OpenVinoTarget()
        written = target.translate(graph, precision, About("probe"))  # type: ignore[arg-type]
    return written.artefact, written.files


@cache
def answers(graph: ir.Model) -> list[np.ndarray]:
    feeds = [preprocess(image, SPEC) for image in images()]
    return [run_onnx(graph, ["scores"], {"input": feed})[0] for feed in feeds]


def manifest() -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of the good bundle without artefacts, and its other files."""
    files: dict[str, bytes] = {"labels.txt": "".join(f"{each}\n" for each in LABELS).encode()}
    golden, classes = [], []
    for index, (image, answer) in enumerate(zip(images(), answers(float_graph()), strict=True)):
        stem = f"golden/{index}"
        files[f"{stem}.image.npy"] = npy(image)
        files[f"{stem}.input.npy"] = npy(preprocess(image, SPEC))
        files[f"{stem}.output.npy"] = npy(answer)
        paths = f"{stem}.input.npy", f"{stem}.output.npy", f"{stem}.image.npy"
        golden.append(Golden({"input": paths[0]}, {"scores": paths[1]}, paths[2]))
        classes.append(LABELS[int(answer[0].argmax())])
    made = Manifest(
        name="probe",
        inputs=(TensorSpec("input", "float32", (None, 3, 16, 16)),),
        outputs=(TensorSpec("scores", "float32", (None, 5)),),
        artefacts=(),
        files={},
        preprocess=SPEC,
        postprocess=Postprocess(softmax=True, labels="labels.txt"),
        golden=tuple(golden),
        provenance={GOLDEN_LABELS: classes},
        groups={"scores": (ChannelGroup(None, ((0, 1),), -3.0, 3.0),)},
    )
    return made, files


def write_probe(
    path: Path,
    faults: Mapping[tuple[str, str], Plant] | None = None,
    artefacts: Artefacts = EVERY,
    edit: Callable[[Manifest], Manifest] = lambda manifest: manifest,
    others: Mapping[str, bytes] | None = None,
    io: str = "float32",
) -> Path:
    """Write a bundle.

    Args:
        faults: what is planted in an artefact, by its format and precision.
        edit: changes the manifest.
        others: files that replace those of the good bundle.
        io: type of the inputs and outputs of the TFLite file in 8 bits.
    """
    made, files = manifest()
    known = [translated(*each, (faults or {}).get(each), io) for each in artefacts]
    pairs = list(zip(answers(float_graph()), answers(quantised_graph()), strict=True))
    sqnr_db = {"scores": (round(difference(pairs).sqnr_db, 2),)}
    entries = []
    for artefact, own in known:
        files |= own
        entries.append(
            replace(artefact, sqnr_db=sqnr_db) if artefact.precision == "int8" else artefact
        )
    files |= others or {}
    graphs = {
        precision: hashlib.sha256(files[PATHS["onnx", precision]]).hexdigest()
        for precision in ("fp32", "int8")
        if ("onnx", precision) in artefacts
    }
    entries = [replace(each, graph=graphs.get(each.precision)) for each in entries]
    write_bundle(path, edit(replace(made, artefacts=tuple(entries))), files)
    return path


def examine(path: Path) -> tuple[dict[str, Parity], dict[str, RowDiagnosis]]:
    """Rows of `edgecnn verify`, and what it says of those that differ, by their subjects."""
    with Bundle(path) as opened:
        rows = verify(opened)
        found = find_causes(opened, rows, None)
    return {row.subject: row for row in rows}, {each.subject: each for each in found}
