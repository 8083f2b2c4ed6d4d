"""Request of a bench: bundles, artefacts, engines, threads; and its rows on a board."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from edgecnn.bench.learning import LEARNING_ENGINE, learning_artefacts, learning_batch
from edgecnn.devices.board import OWN_PACKAGES
from edgecnn.errors import BenchRefused
from edgecnn.web.engines import WEB_ENGINES, has_threads, is_on_gpu
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import (
    engine_entry,
    engine_names,
    engine_of_format,
    engine_packages,
    package_of,
)
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.host.processor import MOST_THREADS
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.measure.job import MeasurementPlan, Subject

PRECISIONS = ("fp32", "fp16", "int8")
# How much longer a step may take on a board: a Raspberry Pi 3 is about ten times as slow as a PC.
BOARD_PATIENCE = 10


@dataclass(frozen=True)
class Wanted:
    """Request of a bench: what to measure.

    Attributes:
        engines, precisions: only these; empty for all.
        threads: a row for each; empty for the number of cores, at most `MOST_THREADS`.
        wait_s: how long to wait for another bench on the same machine.
        budget: what a bundle may cost on this machine; a board has `BOARD_PATIENCE` times its time.
        learns: a step of the training graph is measured beside an inference of as many images.
        batch: images of a step; None for `LEARNING_BATCH`, or the training graph's own.
    """

    bundle: Path
    plan: MeasurementPlan
    against: Path | None = None
    engines: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    wait_s: float = 600.0
    budget: Budget = field(default_factory=Budget)
    learns: bool = False
    batch: int | None = None

    @property
    def bundles(self) -> list[Path]:
        """Bundles to send, the candidate first."""
        return [self.bundle] if self.against is None else [self.bundle, self.against]

    def check(self) -> None:
        """Check that the bundles hold what is wanted, before any board is contacted.

        Raises:
            BenchRefused, BundleError: one of them does not.
        """
        for path in self.bundles:
            with Bundle(path, self.budget) as opened:
                opened.check()
            artefacts_of(path, self)

    @property
    def board_budget(self) -> Budget:
        """What a bundle may cost on a board, emulated or not."""
        seconds = BOARD_PATIENCE * self.budget.step_seconds
        return replace(self.budget, step_seconds=seconds)

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digits that are the same where a run can be resumed."""
        digest = hashlib.sha256()
        for path in self.bundles:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        digest.update(repr((self.engines, self.precisions, self.threads, self.plan)).encode())
        if self.learns:
            digest.update(repr(self.batch).encode())
        return digest.hexdigest()[:16]


def artefacts_of(bundle: Path, wanted: Wanted) -> list[Artefact]:
    """The artefacts to measure, float first: the others are compared with it.

    What was compiled for a target is not among them: no engine of a CPU runs it.

    Raises:
        BenchRefused: there is none of the precisions, or for the engines, that are wanted; or no
            engine has the name.
        BundleError: the bundle cannot be read.
    """
    with Bundle(bundle) as opened:
        manifest = opened.manifest
    if wanted.learns:
        return learning_artefacts(bundle, manifest, wanted.precisions, wanted.engines)
    artefacts = [one for one in manifest.artefacts if one.target is None]
    of_precision = [
        a for a in artefacts if not wanted.precisions or a.precision in wanted.precisions
    ]
    if not of_precision:
        listing = ", ".join(f"{one.path} ({one.precision})" for one in artefacts)
        precisions = ", ".join(wanted.precisions)
        raise BenchRefused(f"{bundle} has no artefact in {precisions}; it has {listing}")
    formats = _formats(wanted)
    chosen = [a for a in of_precision if not wanted.engines or a.format in formats]
    if not chosen:
        known = (*engine_names(), *WEB_ENGINES)
        doubles = {entry.name for entry in ENGINES.values() if entry.is_double}
        unknown = [name for name in wanted.engines if engine_name(name) not in known]
        if unknown := unknown or [name for name in wanted.engines if name in doubles]:
            offered = ", ".join(name for name in known if name not in doubles)
            raise BenchRefused(f"no engine is called {unknown[0]!r}; there are {offered}")
        listing = ", ".join(one.path for one in of_precision)
        flags = {f: entry.export_flags for entry in ENGINES.values() for f in entry.formats}
        adding = next((flags[f] for f in formats if flags.get(f)), "--target all")
        raise BenchRefused(
            f"{bundle} has no artefact for {', '.join(wanted.engines)}; it has {listing}; export "
            f"it again with {adding}"
        )
    return sorted(chosen, key=_order)


def _formats(wanted: Wanted) -> list[str]:
    """Formats that the wanted engines open; an engine that is not known here opens none."""
    known = set(engine_names())
    names = [engine_name(name) for name in wanted.engines]
    formats = [f for name in names if name in known for f in sorted(engine_entry(name).formats)]
    return formats + [WEB_ENGINES[name].format for name in names if name in WEB_ENGINES]


def _order(artefact: Artefact) -> tuple[int, str]:
    precision = artefact.precision
    return PRECISIONS.index(precision) if precision in PRECISIONS else 9, artefact.path


def engine_name(name: str) -> str:
    """The engine of that name, or the engine that the package of that name brings."""
    return engine_packages().get(name, name)


def packages_for(wanted: Wanted) -> set[str] | None:
    """The packages that a board needs for it; None: whatever it can have.

    Raises:
        BenchRefused, BundleError: as for `artefacts_of`.
    """
    if wanted.engines:
        packages = engine_packages()
        return {name if name in packages else package_of(name) for name in wanted.engines}
    formats = {artefact.format for artefact in artefacts_of(wanted.bundle, wanted)}
    engines = {engine_of_format(format) for format in formats}
    return {package_of(engine) for engine in engines if engine is not None}


def subjects_of(
    wanted: Wanted,
    places: Mapping[Path, str],
    hosts: Mapping[str, Mapping[str, Any]],
    absent: Mapping[str, str],
) -> tuple[Subject, ...]:
    """The rows of one board: artefact × engine × threads.

    Every row is compared with the first, or with its like of the other bundle where there is one.
    Of an interpreter's `OWN_PACKAGES` only plug-in engines are taken.

    Args:
        places: where each bundle lies on the board.
        hosts: environment → the agent's ``host`` event in it.
        absent: plug-in engine → why nothing there has it.

    Raises:
        BenchRefused: more threads than cores, or no engine for any artefact.
    """
    cores = max((host["host"]["cores"] for host in hosts.values()), default=MOST_THREADS)
    if too_many := [count for count in wanted.threads if count > cores]:
        raise BenchRefused(f"--threads {too_many[0]} is more than the {cores} cores there are")
    rows = [
        (bundle, subject)
        for bundle in wanted.bundles
        for subject in _rows(bundle, wanted, places[bundle], hosts, cores)
    ]
    if not any(bundle == wanted.bundle for bundle, _ in rows):
        raise BenchRefused(_why_none(wanted, hosts, absent))
    return _compared(wanted, [subject for _, subject in rows], places)


def _rows(
    bundle: Path,
    wanted: Wanted,
    place: str,
    hosts: Mapping[str, Mapping[str, Any]],
    cores: int,
) -> list[Subject]:
    names = {engine_name(name) for name in wanted.engines}
    counts = wanted.threads or (min(cores, MOST_THREADS),)
    batch = learning_batch(bundle, wanted.batch) if wanted.learns else None
    return [
        Subject(
            place,
            artefact.path,
            engine,
            artefact.precision,
            threads if has_threads(engine) else 1,
            environment,
            batch=batch,
        )
        for artefact in artefacts_of(bundle, wanted)
        for threads in counts
        for environment, host in hosts.items()
        for engine, version in host["engines"].items()
        if version is not None
        and (environment != OWN_PACKAGES or engine not in ENGINES)
        and artefact.format in host["formats"][engine]
        and (engine in names if names else not is_on_gpu(engine) or host.get("has_gpu"))
        and (threads == counts[0] or (has_threads(engine) and not is_on_gpu(engine)))
        and (engine == LEARNING_ENGINE or not wanted.learns)
    ]


def _compared(
    wanted: Wanted, subjects: Sequence[Subject], places: Mapping[Path, str]
) -> tuple[Subject, ...]:
    if wanted.against is None:
        first, *others = subjects
        return (first, *(replace(other, against=0) for other in others))
    baseline = places[wanted.against]
    alike = {_likeness(s): i for i, s in enumerate(subjects) if s.bundle == baseline}
    return tuple(
        subject
        if subject.bundle == baseline
        else replace(subject, against=alike.get(_likeness(subject)))
        for subject in subjects
    )


def _likeness(subject: Subject) -> tuple[object, ...]:
    return subject.precision, subject.engine, subject.threads, subject.environment


def _why_none(
    wanted: Wanted, hosts: Mapping[str, Mapping[str, Any]], absent: Mapping[str, str]
) -> str:
    names = {engine_name(name) for name in wanted.engines} or {
        engine_of_format(a.format) or a.format for a in artefacts_of(wanted.bundle, wanted)
    }
    reasons = []
    for name in sorted(names):
        if name in absent:
            reasons.append(absent[name])
            continue
        missing = [host["missing"][name] for host in hosts.values() if name in host["missing"]]
        if missing:
            reasons.append(f"{name} {missing[0]['reason']}, {missing[0]['mend']}")
        else:
            reasons.append(f"no {name}{_in_browsers(name)}")
    return f"no engine there runs {wanted.bundle}: {'; '.join(reasons)}"


def _in_browsers(name: str) -> str:
    """Where an engine of browsers is, or what a browser has in place of one of a machine."""
    if name in WEB_ENGINES:
        return " (--device browser has it)"
    formats = ENGINES[name].formats if name in ENGINES else ()
    alike = [one.name for one in WEB_ENGINES.values() if one.format in formats]
    return f" (a browser has {alike[0]})" if alike else ""
