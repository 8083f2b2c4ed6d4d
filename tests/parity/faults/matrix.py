"""Matrix of faults: kind × format × precision, each a diagnosis of one faulty artefact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from parity.faults.kinds import ALL, BOTH, KINDS, Kind
from parity.faults.probe import float_graph, inputs, quantised_graph

from edgecnn_exporters.diagnose.diagnose import diagnose
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.diagnose.sources import OnnxCandidate
from edgecnn_exporters.diagnose.tflite.candidate import TfliteCandidate
from edgecnn_exporters.targets.openvino.write import write_openvino
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

PICTURES = 4


@dataclass(frozen=True)
class Cell:
    """A kind of fault in an artefact; without a kind the artefact is good."""

    kind: Kind | None
    format: str
    precision: str

    def __str__(self) -> str:
        title = "none" if self.kind is None else self.kind.title
        return f"{title}, {self.format} {self.precision}"


CELLS = [
    Cell(kind, each, precision)
    for kind in KINDS
    for each in kind.formats
    for precision in kind.precisions
]
GOOD = [Cell(None, each, precision) for each in ALL for precision in BOTH]


@cache
def diagnosis_of(cell: Cell) -> Diagnosis | None:
    """Plant the fault, write the artefact, and compare it as `edgecnn verify` does."""
    origin, feeds = float_graph(), {"input": inputs(PICTURES)}
    sound = origin if cell.precision == "fp32" else quantised_graph()
    graph = sound.clone()
    if cell.kind is not None:
        cell.kind.plant(graph)
    if cell.format == "onnx":
        return diagnose(origin, OnnxCandidate(graph, cell.precision), feeds)
    if cell.format == "tflite":
        options = TfliteOptions(precision=cell.precision)  # type: ignore[arg-type]
        content = write_tflite(graph, options).content
        return diagnose(sound, TfliteCandidate(content, cell.precision), feeds, origin)
    written = write_openvino(graph, cell.precision)  # type: ignore[arg-type]
    candidate = OpenVinoCandidate(written.xml, written.weights, sound, cell.precision)
    return diagnose(sound, candidate, feeds, origin)


def is_located(cell: Cell) -> bool:
    diagnosis, kind = diagnosis_of(cell), cell.kind
    assert kind is not None
    return diagnosis is not None and re.fullmatch(kind.node, diagnosis.node) is not None


def is_named(cell: Cell) -> bool:
    diagnosis, kind = diagnosis_of(cell), cell.kind
    assert kind is not None
    return (
        diagnosis is not None
        and diagnosis.cause == kind.cause.value
        and diagnosis.is_confirmed
        and re.search(kind.words, diagnosis.sentence) is not None
    )


def table() -> str:
    """One row a kind; a cell is "yes", "located", "NO", or empty where the kind does not exist."""
    columns = [(each, precision) for each in ALL for precision in BOTH]
    known = {(cell.kind, cell.format, cell.precision): cell for cell in CELLS}
    heads = "".join(f"{f'{each} {precision}':15}" for each, precision in columns)
    rows = [f"{'planted':36}{heads}"]
    for kind in KINDS:
        words = []
        for column in columns:
            cell = known.get((kind, *column))
            words.append("" if cell is None else _verdict(cell))
        rows.append(f"{kind.title:36}{''.join(f'{word:15}' for word in words)}")
    return "\n".join(rows)


def _verdict(cell: Cell) -> str:
    if not is_located(cell):
        return "NO"
    return "yes" if is_named(cell) else "located"
