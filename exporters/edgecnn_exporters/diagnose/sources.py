"""Intermediate values of a network by name, from every runtime behind one protocol.

All values are reals, NCHW, under their names in the canonical float graph.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.diagnose.align import Point, align, points_of
from edgecnn_exporters.diagnose.isolate import Cut
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.onnxruntime import (
    open_session,
    session_options,
    unoptimised_options,
)
from edgecnn_runtime.errors import EngineError, first_line

if TYPE_CHECKING:
    import onnx_ir as ir


class ValueSource(Protocol):
    """A network whose intermediate values can be read.

    Attributes:
        name: the runtime and its settings, in words.
    """

    name: str

    def values(self, feeds: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        """The named values that the runtime has, computed from the network's input."""
        ...


class Candidate(ValueSource, Protocol):
    """A diagnosis candidate: an artefact in its runtime.

    Attributes:
        precision: "fp32", "fp16" or "int8", as the artefact declares.
        model: the artefact's computation as an ONNX model, with QuantizeLinear and DequantizeLinear
            around values in 8 bits.
        content: the computation that the artefact's own file holds, where that can be read; else
            `model`.
        missing: names of values of `model` that cannot be read in the runtime's format.
        settings: the same artefact under other settings of its runtime, by the change: an error
            that disappears with one of them comes from the runtime, and the setting is its cause.
    """

    precision: str
    model: ir.Model
    missing: frozenset[str]
    settings: Mapping[str, Candidate]

    @property
    def content(self) -> ir.Model: ...

    def isolated(self, cut: Cut, values: Mapping[str, Array]) -> dict[str, Array]:
        """Every output of the cut, each node computed by the runtime from `values`."""
        ...


class OnnxCandidate:
    """An ONNX model in ONNX Runtime."""

    def __init__(
        self,
        model: ir.Model,
        precision: str,
        *,
        optimised: bool = True,
        entries: Mapping[str, str] | None = None,
    ) -> None:
        """Open `model`, which is not changed.

        Args:
            optimised: use ONNX Runtime's graph optimiser.
            entries: configuration entries of the session.
        """
        self.model = self.content = model
        self.missing: frozenset[str] = frozenset()
        self.precision = precision
        self.name = f"ONNX Runtime, {'optimised' if optimised else 'not optimised'}"
        self._optimised, self._entries = optimised, dict(entries or {})
        self.settings: Mapping[str, Candidate] = {}
        if optimised:
            self.settings = {OPTIMISER: OnnxCandidate(model, precision, optimised=False)}

    def values(self, feeds: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        points = {name: p for name, p in points_of(self.model).items() if name in names}
        return _by_name(points, self._run(self.model, [p.read for p in points.values()], feeds))

    def isolated(self, cut: Cut, values: Mapping[str, Array]) -> dict[str, Array]:
        arrays = self._run(cut.model, list(cut.outputs.values()), cut.feeds(values))
        return dict(zip(cut.outputs, arrays, strict=True))

    def _run(
        self, model: ir.Model, names: Sequence[str], feeds: Mapping[str, Array]
    ) -> list[Array]:
        return run_onnx(model, names, feeds, optimised=self._optimised, entries=self._entries)


OPTIMISER = "without the graph optimiser"


class OnnxReference:
    """An ONNX model in the reference evaluator of the `onnx` package: NumPy, node by node."""

    name = "ONNX reference evaluator"

    def __init__(self, model: ir.Model) -> None:
        self.model = model

    def values(self, feeds: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        import onnx
        from onnx.reference import ReferenceEvaluator

        points = {name: p for name, p in points_of(self.model).items() if name in names}
        proto = onnx.load_from_string(to_bytes(self.model))
        reads = [p.read for p in points.values() if p.read not in feeds]
        _make_outputs(proto, reads)
        arrays = dict(zip(reads, ReferenceEvaluator(proto).run(reads, dict(feeds)), strict=True))
        arrays |= {p.read: feeds[p.read] for p in points.values() if p.read in feeds}
        return {name: arrays[p.read] for name, p in points.items()}


class ModuleSource:
    """Layer outputs of a PyTorch network, by module path, of layers that run once."""

    name = "PyTorch"

    def __init__(self, module: Any) -> None:
        self._module = module

    def values(self, feeds: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        from edgecnn_exporters.capture.locate import layer_outputs

        (feed,) = feeds.values()
        return {n: a for n, a in layer_outputs(self._module, feed).items() if n in names}


def run_onnx(
    model: ir.Model,
    names: Sequence[str],
    feeds: Mapping[str, Array],
    *,
    optimised: bool = False,
    entries: Mapping[str, str] | None = None,
) -> list[Array]:
    """The named values of an ONNX graph, computed by ONNX Runtime on the CPU, one thread.

    Raises:
        EngineError: ONNX Runtime refuses or fails.
    """
    import onnx

    proto = onnx.load_from_string(to_bytes(model))
    computed = [name for name in dict.fromkeys(names) if name not in feeds]
    _make_outputs(proto, computed)
    options = session_options(threads=1) if optimised else unoptimised_options(threads=1)
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    try:
        session = open_session(proto.SerializeToString(), options)
        wanted = {value.name for value in session.get_inputs()}
        fed = {name: array for name, array in feeds.items() if name in wanted}
        arrays = dict(zip(computed, session.run(computed, fed), strict=True)) if computed else {}
    except Exception as error:  # onnxruntime's exceptions share no narrower base
        raise EngineError(f"onnxruntime refuses the graph: {first_line(error)}") from error
    return [arrays[name] if name in arrays else feeds[name] for name in names]


def reference_values(
    reference: ir.Model, feeds: Mapping[str, Array], names: Collection[str]
) -> dict[str, Array]:
    """Values of the reference for the input, by ONNX Runtime without its graph optimiser."""
    points = {name: p for name, p in points_of(reference).items() if name in names}
    return _by_name(points, run_onnx(reference, [p.read for p in points.values()], feeds))


def aligned(reference: ir.Model, candidate: Candidate) -> dict[str, Point]:
    """Cut points of the candidate whose values the reference has too, in its order."""
    points = align(reference, candidate.model)
    return {name: point for name, point in points.items() if name not in candidate.missing}


def _by_name(points: Mapping[str, Point], arrays: Sequence[Array]) -> dict[str, Array]:
    return dict(zip(points, (np.asarray(a) for a in arrays), strict=True))


def _make_outputs(proto: Any, names: Sequence[str]) -> None:
    """Make the named values the graph's only outputs, so that nothing else is computed."""
    import onnx

    own = {output.name: output for output in proto.graph.output}
    outputs = [own.get(name) or onnx.ValueInfoProto(name=name) for name in names]
    del proto.graph.output[:]
    proto.graph.output.extend(outputs)
