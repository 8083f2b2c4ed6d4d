"""Artefact and engine that `edgecnn_runtime.open` takes of a bundle here, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.choice.fastest import fastest
from edgecnn_runtime.choice.order import ORDER
from edgecnn_runtime.choice.rank import Basis, Ranked
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.errors import EngineError, EngineUnavailable
from edgecnn_runtime.host.processor import this_processor


@dataclass(frozen=True)
class Opens:
    """What `edgecnn_runtime.open` takes of a bundle on this machine.

    Attributes:
        artefact: its path in the bundle.
        engine: that opens it.
        precision: of the artefact.
        threads: of the engine; null leaves the engine's own number.
        basis: "measured here", "measured elsewhere", as the bundle says, "order", by the
            processor's instruction set, or "only one".
        reason: the same in words.
    """

    artefact: str
    engine: str
    precision: str
    threads: int | None
    basis: Basis
    reason: str

    def words(self) -> str:
        """In one line."""
        return f"edge.open takes {self.artefact} with {self.engine}: {self.reason}"


def what_opens(path: Path, budget: Budget | None = None) -> Opens:
    """What `open` takes of the bundle, without opening it.

    Raises:
        BundleError: the bundle cannot be trusted.
        EngineUnavailable, EngineError: nothing in it can run here.
    """
    with Bundle(path, budget) as bundle:
        choice = fastest(bundle.manifest)
    refusals: list[EngineError] = []
    for ranked in choice.ranked:
        try:
            engine_class(ranked.candidate.engine).version()
        except EngineUnavailable as error:
            refusals.append(error)
            continue
        return _opens(ranked, choice.basis, choice.reason, refusals)
    raise refusals[0]


def _opens(ranked: Ranked, basis: Basis, reason: str, refusals: list[EngineError]) -> Opens:
    if refusals:
        reason = f"the next {reason}; {'; '.join(map(str, refusals))}"
    candidate = ranked.candidate
    return Opens(
        candidate.artefact.path,
        candidate.engine,
        candidate.artefact.precision,
        ranked.threads,
        basis,
        reason,
    )


def usual_order(engines: set[str]) -> tuple[str, ...]:
    """Engine and precision, fastest first, where nothing was measured: ``native int8``, ….

    Args:
        engines: only these.
    """
    order = ORDER[this_processor().instruction_set]
    return tuple(f"{engine} {precision}" for engine, precision in order if engine in engines)
