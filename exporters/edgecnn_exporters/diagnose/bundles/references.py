"""References of a bundle's diagnosis: artefacts that answer the golden inputs themselves.

The float ONNX graph is the first choice, but it may be what is broken: nothing is held against an
artefact by one that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from edgecnn_exporters.diagnose.align import FUSED
from edgecnn_exporters.diagnose.bundles.open_candidate import model_of, open_candidate
from edgecnn_exporters.diagnose.parametrisation import counterparts
from edgecnn_exporters.diagnose.sources import Candidate
from edgecnn_exporters.passes.graph import is_operator, sole_reader
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE
from edgecnn_runtime.parity.verify import verify_artefact

FLOAT = ("fp32",)
FORMATS = ("onnx", "tflite", "openvino")


@dataclass
class References:
    """The artefacts of a bundle that can be compared with.

    Attributes:
        known: whether an artefact answers the golden inputs, by its path, where that is known.
    """

    bundle: Bundle
    known: dict[str, bool] = field(default_factory=dict)
    _opened: dict[str, Candidate] = field(default_factory=dict)

    def is_sound(self, artefact: Artefact) -> bool:
        """Whether the artefact answers the golden inputs as it did where it was made."""
        if artefact.path not in self.known:
            self.known[artefact.path] = self._answers(artefact)
        return self.known[artefact.path]

    def onnx(self, precision: str) -> Artefact | None:
        """The bundle's ONNX artefact of a precision."""
        found = (
            each
            for each in self.bundle.manifest.artefacts
            if each.format == "onnx" and each.precision == precision
        )
        return next(found, None)

    def sound_for(self, artefact: Artefact) -> Iterator[Artefact]:
        """Sound artefacts to compare another with, the likest first."""
        others = [
            each
            for each in self.bundle.manifest.artefacts
            if each.format in FORMATS and each.path != artefact.path and each.precision != "fp16"
        ]
        is_copy = artefact.precision == "int8" and artefact.format != "onnx"

        def rank(other: Artefact) -> tuple[bool, bool, int]:
            # Files in 8 bits copy the QDQ graph's scales; all others follow the float graph.
            is_source = is_copy and other.format == "onnx" and other.precision == "int8"
            is_float = other.precision in FLOAT
            return not is_source, not is_float, FORMATS.index(other.format)

        for other in sorted(others, key=rank):
            if self.is_sound(other):
                yield other

    def candidate(self, artefact: Artefact) -> Candidate:
        """An artefact opened in its runtime.

        Raises:
            BundleError, UnsupportedModel, EngineUnavailable: as `open_candidate` says.
        """
        if artefact.path not in self._opened:
            opened = open_candidate(self.bundle, artefact, self.graph_of(artefact))
            self._opened[artefact.path] = opened
        return self._opened[artefact.path]

    def graph_of(self, artefact: Artefact) -> ir.Model | None:
        """The ONNX graph of the bundle that an artefact was written from; None if it is gone."""
        source = self.onnx("int8" if artefact.precision == "int8" else "fp32")
        return None if source is None else model_of(self.bundle, source)

    def graph(self, artefact: Artefact) -> ir.Model | None:
        """What an artefact holds, as an ONNX graph named like the bundle's; None if not read.

        Raises:
            BundleError, UnsupportedModel, EngineUnavailable: as `open_candidate` says.
        """
        if artefact.format == "onnx":
            return model_of(self.bundle, artefact)
        candidate = self.candidate(artefact)
        if artefact.format == "openvino" and candidate.content is candidate.model:
            return None  # the file could not be read: this is another artefact's graph
        names = self.graph_of(artefact)
        return candidate.content if names is None else _named_like(candidate.content, names)

    def origin(self) -> ir.Model | None:
        """The float ONNX graph, if it is sound."""
        source = self.onnx("fp32")
        return model_of(self.bundle, source) if source and self.is_sound(source) else None

    def _answers(self, artefact: Artefact) -> bool:
        kind = next((name for name, e in ENGINES.items() if artefact.format in e.formats), None)
        if kind is None:
            return False
        try:
            row = verify_artefact(self.bundle, artefact, engine_class(kind))
        except EdgeCNNError:
            return False
        return row.verdict in ANSWERS_AS_MADE


def _named_like(content: ir.Model, original: ir.Model) -> ir.Model:
    """A copy of a file's graph whose nodes have the names of the ONNX graph's."""
    copy = content.clone()
    makers = {str(v.name): node for node in original.graph for v in node.outputs}
    names: Mapping[str, ir.Node] = counterparts(copy.graph, original.graph)
    taken = {str(node.name) for node in copy.graph}
    for node in copy.graph:
        own = names.get(str(node.name))
        if own is None:
            own = makers.get(str(node.outputs[0].name))
            own = own if own is not None and own.op_type == node.op_type else None
        if own is not None and str(own.name) not in taken - {str(node.name)}:
            node.name = own.name
    for node in copy.graph:
        _name_fused(node, names)
    return copy


def _name_fused(node: ir.Node, names: Mapping[str, ir.Node]) -> None:
    """Give a sum in front of a fused activation its value's name in the ONNX graph."""
    own = names.get(str(node.name))
    reader = sole_reader(node.outputs[0])
    if own is not None and reader is not None and is_operator(reader, *FUSED):
        node.outputs[0].name = own.outputs[0].name
