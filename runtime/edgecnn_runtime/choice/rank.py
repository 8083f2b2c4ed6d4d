"""Candidates of `open`, fastest first: as measured here, as the bundle says, or by the order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from edgecnn_runtime.choice.latencies import WRONG, KnownLatency, fastest_of, worst_verdict
from edgecnn_runtime.choice.order import place
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.host.processor import Processor
from edgecnn_runtime.manifest import Artefact

Basis = Literal["only one", "measured here", "measured elsewhere", "order"]


class Candidate(NamedTuple):
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


class Ranked(NamedTuple):
    """A candidate, and the number of threads that it was fastest with; None for the engine's."""

    candidate: Candidate
    threads: int | None


class Choice(NamedTuple):
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

    def place_of(one: Candidate) -> int:
        return place(processor.instruction_set, one.engine, one.artefact.precision)

    known = tuple(here)
    fit = [(one, worst_verdict(_rows_of(one, known))) for one in candidates]
    if not is_named:
        fit = _without_wrong(fit, known)
    if len(fit) == 1:
        only = Ranked(fit[0][0], threads)
        fits = "fits what is named" if is_named else "fits and is installed"
        return Choice((only,), "only one", f"nothing else {fits}")
    usual = [
        one for one, _ in sorted(fit, key=lambda each: (each[1] is not None, place_of(each[0])))
    ]
    for basis, rows in _bases(known, tuple(elsewhere)):
        times = [fastest_of(_rows_of(one, rows), threads) for one in usual]
        if times[0] is not None:
            return _measured(usual, times, basis, threads)
    ranked = tuple(Ranked(one, threads) for one in usual)
    return Choice(ranked, "order", f"by the order for {processor.instruction_set.value}")


_Benched = tuple[Candidate, str | None]
"""A candidate, and the verdict of a bench of this machine that found it wanting."""


def _without_wrong(fit: Sequence[_Benched], known: Sequence[KnownLatency]) -> list[_Benched]:
    """Those that are not weak and did not answer wrongly.

    Raises:
        EngineError: there is none.
    """
    sound = [each for each in fit if not each[0].artefact.is_weak] or fit
    right = [each for each in sound if each[1] != WRONG]
    if not right:
        wrong = ", ".join(one.words() for one, _ in sound)
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


def _threads_words(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"
