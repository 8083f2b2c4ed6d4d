"""A whole bench of one bundle, or of two in turn: right answers first, then times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecnn_runtime.adapted import one_run
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import Array
from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.golden import is_as_proven, run_golden
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.measure import Measurement, Plan, measure
from edgecnn_runtime.process import ColdStart, agent_command, cold_start
from edgecnn_runtime.session import Session, open, zero_feeds

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Subject:
    """What is measured: a bundle, and the choices that `open` takes."""

    bundle: str
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None

    def options(self) -> list[str]:
        """The agent's arguments that make the same choices."""
        chosen = {
            "--engine": self.engine,
            "--precision": self.precision,
            "--threads": self.threads,
        }
        return [word for k, v in chosen.items() if v is not None for word in (k, str(v))]


@dataclass(frozen=True)
class Row:
    """One subject as it was opened, and what a fresh process needs for it."""

    bundle: str
    name: str
    engine: str
    precision: str
    threads: int | None
    cold: ColdStart | None


@dataclass(frozen=True)
class BenchResult:
    """Rows and latencies belong together by their order; the second is the baseline."""

    rows: tuple[Row, ...]
    measurement: Measurement


def benchmark(
    subject: Subject,
    baseline: Subject | None = None,
    plan: Plan | None = None,
    *,
    cold_starts: int = 5,
    progress: Progress = lambda done: None,
) -> BenchResult:
    """Measure `subject`, in turn with `baseline` where there is one.

    Every artefact must first answer its golden examples rightly. What is timed is one `run` at
    batch 1 of the engine itself, on golden input in the form that it takes: no file is read, no
    image is prepared, no axis is turned.

    Raises:
        MeasureError: an artefact answers wrongly, or a cold start fails.
        BundleError, EngineError: as `open` says.
    """
    subjects = [subject] if baseline is None else [subject, baseline]
    sessions: list[Session] = []
    try:
        for one in subjects:
            sessions.append(
                open(one.bundle, engine=one.engine, precision=one.precision, threads=one.threads)
            )
        feeds = [_check(one, session) for one, session in zip(subjects, sessions, strict=True)]
        candidates = {
            label: one_run(session.engine, feed)
            for label, session, feed in zip(
                ("candidate", "baseline"), sessions, feeds, strict=False
            )
        }
        # The timed rounds and each subject's cold starts are steps of about the same length.
        steps = [_step(progress, number, 1 + len(subjects)) for number in range(1 + len(subjects))]
        measured = measure(candidates, plan, progress=steps[0])
        rows = tuple(
            Row(
                bundle=one.bundle,
                name=session.manifest.name,
                engine=f"{session.engine.name} {session.engine.version()}",
                precision=session.artefact.precision,
                threads=one.threads,
                cold=cold_start(_cold_command(one), cold_starts, step) if cold_starts else None,
            )
            for one, session, step in zip(subjects, sessions, steps[1:], strict=True)
        )
    finally:
        for session in sessions:
            session.close()
    return BenchResult(rows, measured)


def _step(progress: Progress, number: int, steps: int) -> Progress:
    return lambda done: progress((number + done) / steps)


def _check(subject: Subject, session: Session) -> Mapping[str, Array]:
    """The first golden input, once the session has answered all of them rightly."""
    manifest: Manifest = session.manifest
    if not manifest.golden:
        return zero_feeds(manifest)
    with Bundle(subject.bundle) as bundle:
        found = run_golden(bundle, session.engine)
        if not is_as_proven(found, session.artefact):
            raise MeasureError(
                f"{subject.bundle} answers wrongly on {session.engine.name} (it differs by "
                f"{found.relative:.1e} of the largest output), so it is not measured; "
                f"see: edgecnn verify {subject.bundle}"
            )
        return bundle.golden(0).inputs


def _cold_command(subject: Subject) -> list[str]:
    return [*agent_command(), "cold", subject.bundle, *subject.options()]
