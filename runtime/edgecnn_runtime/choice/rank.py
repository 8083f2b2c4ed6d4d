"""Candidates of `open`, fastest first: as measured here, as the bundle says, or by the order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgecnn_runtime.choice.latencies import WRONG, KnownLatency, fastest_of, worst_verdict
from edgecnn_runtime.choice.order import place
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.host.processor import Processor
from edgecnn_runtime.manifest import Artefact

Basis = Literal["only one", "measured here", "measured elsewhere", "order"]


@dataclass(frozen=True)
class Candidate:
    """An artefact, and an engine that opens it.

    Attributes:
        sha256: of the artefact's file.
        engine: its name.
    """

    artefact: Artefact
    sha256: str
    engine: str

    def words(self) -> str:
        """As ``model.int8.plan with native``."""
        return f"{self.artefact.path} with {self.engine}"


@dataclass(frozen=True)
class Ranked:
    """A candidate, and the number of threads that it was fastest with; None for the engine's."""

    candidate: Candidate
    threads: int | None


@dataclass(frozen=True)
class Choice:
    """What `open` tries, in this order.

    Attributes:
        basis: what the order rests on.
        reason: the same in words, of the first.
    """

    ranked: tuple[Ranked, ...]
    basis: Basis
    reason: str


def rank(
    candidates: Sequence[Candidate],
    processor: Processor,
    *,
    here: Iterable[KnownLatency] = (),
    elsewhere: Iterable[KnownLatency] = (),
    threads: int | None = None,
    is_named: bool = False,
) -> Choice:
    """Order candidates, the fastest first.

    Measurements decide where they have the candidate that the order puts first: what was measured
    faster goes before it. One whose answers were wrong in a bench is left out, one that crashed
    goes last. An artefact that was packed although it is weak is left out where others are there.

    Args:
        candidates: at least one, in the bundle's order.
        here: benches of this machine, with the engines that are installed.
        elsewhere: benches of other machines with this processor.
        threads: only measurements with as many count; None for any.
        is_named: artefact or engine is named, so that nothing is left out.

    Raises:
        EngineError: all answered wrongly in a bench.
    """
    known = tuple(here)
    fit = [_of_bench(one, known) for one in candidates]
    if not is_named:
        fit = _without_wrong(fit, known)
    if len(fit) == 1:
        only = fit[0].candidate
        return Choice((Ranked(only, threads),), "only one", "nothing else fits and is installed")
    usual = sorted(fit, key=lambda one: (one.verdict is not None, _place(one, processor)))
    for basis, rows in _bases(known, tuple(elsewhere)):
        times = [fastest_of(_rows_of(one.candidate, rows), threads) for one in usual]
        if times[0] is not None:
            return _measured([one.candidate for one in usual], times, basis, threads)
    ranked = tuple(Ranked(one.candidate, threads) for one in usual)
    return Choice(ranked, "order", f"by the order for {processor.instruction_set.value}")


@dataclass(frozen=True)
class _Benched:
    """A candidate, and the verdict where a bench of this machine found it wanting."""

    candidate: Candidate
    verdict: str | None


def _of_bench(candidate: Candidate, known: Sequence[KnownLatency]) -> _Benched:
    return _Benched(candidate, worst_verdict(_rows_of(candidate, known)))


def _without_wrong(fit: Sequence[_Benched], known: Sequence[KnownLatency]) -> list[_Benched]:
    """Those that are not weak and did not answer wrongly.

    Raises:
        EngineError: there is none.
    """
    sound = [one for one in fit if not one.candidate.artefact.is_weak] or fit
    right = [one for one in sound if one.verdict != WRONG]
    if not right:
        wrong = ", ".join(one.candidate.words() for one in sound)
        raise EngineError(
            f"wrong answers in a bench of this machine, {max(row.on for row in known)}: {wrong}; "
            "edgecnn verify says why, engine= opens it all the same"
        )
    return list(right)


def _bases(
    here: Sequence[KnownLatency], elsewhere: Sequence[KnownLatency]
) -> tuple[tuple[Basis, Sequence[KnownLatency]], ...]:
    return ("measured here", here), ("measured elsewhere", elsewhere)


def _measured(
    usual: Sequence[Candidate],
    times: Sequence[KnownLatency | None],
    basis: Basis,
    threads: int | None,
) -> Choice:
    """The candidates by their times, behind them those without, in their order."""
    both = list(zip(usual, times, strict=True))
    timed = [(one, row) for one, row in both if row is not None]
    timed.sort(key=lambda pair: pair[1].median_ms or 0.0)
    untimed = [Ranked(one, threads) for one, row in both if row is None]
    row = timed[0][1]
    where = "this machine" if basis == "measured here" else "such a processor, as the bundle says"
    of = f"fastest of {len(timed)} measured" if len(timed) > 1 else "measured"
    reason = f"{of} on {where}, {row.on}: {row.median_ms:.3g} ms, {_threads_words(row.threads)}"
    ranked = [Ranked(one, own.threads) for one, own in timed]
    return Choice((*ranked, *untimed), basis, reason)


def _rows_of(candidate: Candidate, rows: Iterable[KnownLatency]) -> list[KnownLatency]:
    own = (candidate.sha256, candidate.engine)
    return [row for row in rows if (row.sha256, row.engine) == own]


def _place(one: _Benched, processor: Processor) -> int:
    candidate = one.candidate
    return place(processor.instruction_set, candidate.engine, candidate.artefact.precision)


def _threads_words(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"
