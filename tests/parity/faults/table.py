"""Table of planted faults: the artefact, the node, and the cause that a diagnosis must name.

The diagnosis gets only the artefact and its reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import onnx_ir as ir
from parity.faults.in_files import FILE_FAULTS, FileFault
from parity.faults.in_graphs import GRAPH_FAULTS, GraphFault
from parity.faults.networks import Built, quantised, segmenter, shipped, tflite
from parity.faults.saturating import SaturatingCandidate
from processor import OPENVINO_WEIGHT_BITS
from torch import nn

from edgecnn_exporters.capture.examples import example_images
from edgecnn_exporters.diagnose.causes.case import Cause
from edgecnn_exporters.diagnose.diagnose import diagnose, diagnose_preprocessing
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.diagnose.sources import OnnxCandidate
from edgecnn_exporters.diagnose.tflite.candidate import TfliteCandidate
from edgecnn_exporters.targets.openvino.write import write_openvino
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        node: pattern of the culprit node's name.
        words: pattern in the sentence.
        find: diagnoses the faulty artefact.
    """

    title: str
    node: str
    cause: Cause
    words: str
    find: Callable[[], Diagnosis | None]

    def is_located(self, diagnosis: Diagnosis | None) -> bool:
        return diagnosis is not None and re.fullmatch(self.node, diagnosis.node) is not None

    def is_named(self, diagnosis: Diagnosis | None) -> bool:
        return (
            diagnosis is not None
            and diagnosis.cause == self.cause.value
            and diagnosis.is_confirmed
            and re.search(self.words, diagnosis.sentence) is not None
        )


def _in_graph(fault: GraphFault) -> Fault:
    def find() -> Diagnosis | None:
        built = fault.network()
        good = built.model if fault.precision == "fp32" else quantised(built)
        bad = good.clone()
        fault.plant(bad)
        return diagnose(built.model, OnnxCandidate(bad, fault.precision), built.feeds)

    title = f"{fault.title} [ONNX {fault.precision}]"
    return Fault(title, fault.node, fault.cause, fault.words, find)


def _in_file(fault: FileFault) -> Fault:
    def find() -> Diagnosis | None:
        built = fault.network()
        bad = fault.plant(tflite(built, fault.precision))
        reference = built.model if fault.precision == "fp32" else quantised(built)
        return diagnose(reference, TfliteCandidate(bad, fault.precision), built.feeds)

    title = f"{fault.title} [TFLite {fault.precision}]"
    return Fault(title, fault.node, fault.cause, fault.words, find)


def _in_preprocessing(title: str, words: str, plant: Callable[[Preprocess], Preprocess]) -> Fault:
    def find() -> Diagnosis | None:
        spec = shipped("resnet20").preprocess
        assert spec is not None
        pairs = [(image, preprocess(image, spec)) for image in example_images(3)]
        return diagnose_preprocessing(plant(spec), pairs, "input")

    return Fault(f"{title} [manifest]", "input", Cause.PREPROCESSING, words, find)


def _sixteen_bits() -> Diagnosis | None:
    built = shipped("resnet20")
    written = write_openvino(built.model, "fp32")
    candidate = OpenVinoCandidate(written.xml, written.weights, built.model, "fp32", hint="bf16")
    return diagnose(built.model, candidate, built.feeds)


def _saturated() -> Diagnosis | None:
    built = shipped("resnet20")
    graph = quantised(built)
    return diagnose(graph, SaturatingCandidate(graph, "conv1"), built.feeds)


def _approximated() -> Diagnosis | None:
    """ONNX Runtime's own switch: with its optimiser on, GELU becomes the one with tanh."""
    built = segmenter(nn.GELU)
    entries = {"optimization.enable_gelu_approximation": "1"}
    candidate = OnnxCandidate(built.model, "fp32", entries=entries)
    return diagnose(built.model, candidate, built.feeds)


FAULTS: tuple[Fault, ...] = (
    *map(_in_graph, GRAPH_FAULTS),
    *map(_in_file, FILE_FAULTS),
    _in_preprocessing(
        "mean and std swapped", "swapped", lambda s: replace(s, mean=s.std, std=s.mean)
    ),
    _in_preprocessing("BGR", "BGR where the network reads RGB", lambda s: replace(s, colour="BGR")),
    _in_preprocessing(
        "another mean",
        "golden inputs were made with mean",
        lambda s: replace(s, mean=(0.5,) * 3),
    ),
    Fault(
        "bfloat16 at the runtime's choice [OpenVINO]",
        "conv1",
        Cause.PRECISION,
        "float32",
        _sixteen_bits,
    ),
    Fault(
        "u8 × s8 pairs added in 16 bits [ONNX int8]",
        "conv1",
        Cause.SATURATION,
        "overflow 16 bits",
        _saturated,
    ),
    Fault(
        "GELU approximated by the optimiser [ONNX Runtime]",
        r"(fuse\.)?middle.*",
        Cause.GRAPH_OPTIMISER,
        "Erf",
        _approximated,
    ),
)


def clean(kind: str, name: str, data: str) -> Diagnosis | None:
    """Diagnosis of a good artefact: there should be none."""
    built = shipped(name, data)
    if kind == "ONNX fp32":
        return diagnose(built.model, OnnxCandidate(built.model.clone(), "fp32"), built.feeds)
    if kind == "ONNX int8":
        return diagnose(built.model, OnnxCandidate(quantised(built), "int8"), built.feeds)
    if kind.startswith("OpenVINO"):
        return _clean_openvino(built, kind.removeprefix("OpenVINO "))
    precision = kind.removeprefix("TFLite ")
    reference: ir.Model = built.model if precision == "fp32" else quantised(built)
    candidate = TfliteCandidate(tflite(built, precision), precision)
    assert not candidate.unread
    return diagnose(reference, candidate, built.feeds)


def _clean_openvino(built: Built, precision: str) -> Diagnosis | None:
    graph = built.model if precision == "fp32" else quantised(built, OPENVINO_WEIGHT_BITS)
    written = write_openvino(graph, precision)  # type: ignore[arg-type]
    candidate = OpenVinoCandidate(written.xml, written.weights, graph, precision)
    return diagnose(graph, candidate, built.feeds)


CLEAN = ("ONNX fp32", "ONNX int8", "TFLite fp32", "TFLite int8", "OpenVINO fp32", "OpenVINO int8")
