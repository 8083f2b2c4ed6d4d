"""The agent: the program that a bench runs on a device. Needs Python, numpy and an engine.

Every command prints JSON lines on stdout, each an object with ``event``; engines may print other
lines there. ``bench`` reads a `MeasurementJob` as the first line of stdin, emits the events that
`edgecnn_runtime.measure.benchmark` lists, and ends as soon as stdin ends or is silent for 30
seconds: the caller writes an empty line every few seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from edgecnn_runtime.agent_parser import agent_parser
from edgecnn_runtime.budget import Budget, hold_process
from edgecnn_runtime.engines.unasked_lines import keep_unasked_lines
from edgecnn_runtime.errors import BundleError, EdgeCNNError, MeasureError
from edgecnn_runtime.host.process import AGENT_PREFIX
from edgecnn_runtime.printable import printable

if TYPE_CHECKING:
    from edgecnn_runtime.measure.job import Subject
    from edgecnn_runtime.session import Session


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command of the agent and exit with its code."""
    options = agent_parser(__doc__, COMMANDS).parse_args(arguments)
    keep_unasked_lines()
    try:
        options.command(options)
    except EdgeCNNError as error:
        print(f"{AGENT_PREFIX}{printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    except MemoryError:
        print(f"{AGENT_PREFIX}it takes more memory than --max-memory allows", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _hold(options: argparse.Namespace) -> Budget:
    """Hold this process to the budget of the command line."""
    import edgecnn_runtime.session  # noqa: F401  # numpy's own memory is none of the bundle's

    return hold_process(Budget(options.max_memory, options.max_seconds), options.bundle)


def _emit(event: str, **fields: object) -> None:
    print(json.dumps({"event": event} | fields), flush=True)


def _host(options: argparse.Namespace) -> None:
    from edgecnn_runtime.engines import engine_class, engine_entry, engine_names
    from edgecnn_runtime.engines.engine_id import engine_id
    from edgecnn_runtime.errors import EngineUnavailable
    from edgecnn_runtime.host.facts import read_host, read_state

    engines: dict[str, str | None] = {}
    ids: dict[str, dict[str, str]] = {}
    missing: dict[str, dict[str, str]] = {}
    formats: dict[str, list[str]] = {}
    for name in engine_names():
        engines[name] = None
        try:
            formats[name] = sorted(engine_entry(name).formats)
            identity = engine_id(engine_class(name))
        except EngineUnavailable as error:
            missing[name] = {"reason": error.reason, "mend": error.fix}
        else:
            engines[name], ids[name] = identity.full_version, asdict(identity)
    _emit(
        "host",
        host=asdict(read_host()),
        state=asdict(read_state()),
        engines=engines,
        ids=ids,
        missing=missing,
        formats=formats,
    )


def _cold(options: argparse.Namespace) -> None:
    from edgecnn_runtime.host.process import first_result_line
    from edgecnn_runtime.session import zero_feeds

    budget = _hold(options)
    if options.batch is not None:
        from edgecnn_runtime.measure.first_batch import run_first_batch

        print(first_result_line(run_first_batch(_subject(options), budget)), flush=True)
        return
    with _open(options, budget, options.artefact) as session:
        with budget.step():
            session.run(zero_feeds(session.manifest))
        print(first_result_line(), flush=True)


def _open(options: argparse.Namespace, budget: Budget, artefact: str | None = None) -> Session:
    import edgecnn_runtime

    return edgecnn_runtime.open(
        options.bundle,
        engine=options.engine,
        precision=options.precision,
        threads=options.threads,
        artefact=artefact,
        budget=budget,
    )


def _run(options: argparse.Namespace) -> None:
    from edgecnn_runtime.errors import ImageError

    budget = _hold(options)
    with _open(options, budget) as session:
        _emit(
            "opened",
            engine=session.engine.name,
            precision=session.precision,
            artefact=session.artefact.path,
            reason=session.reason,
        )
        for image in options.images:
            try:
                with budget.step():
                    classes = session.classify(image, options.top)
            except ImageError as error:
                _emit("refused", image=image, reason=str(error))
            else:
                _emit("classified", image=image, classes=[asdict(one) for one in classes])


def _bench(options: argparse.Namespace) -> None:
    from edgecnn_runtime.measure.benchmark import benchmark
    from edgecnn_runtime.measure.job import MeasurementJob

    line = sys.stdin.readline()
    try:
        job = MeasurementJob.from_json(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MeasureError(
            f"the first line on stdin is {line[:40]!r}, expected a job: {type(error).__name__} "
            f"{error}"
        ) from error
    benchmark(job, lambda event: print(json.dumps(event), flush=True), ends_with_stdin=True)


def _keep(options: argparse.Namespace) -> None:
    from pathlib import Path

    from edgecnn_runtime.host.run_folder import keep_folder

    keep_folder(Path(options.folder), lambda: _emit("kept"))


def _work(options: argparse.Namespace) -> None:
    from edgecnn_runtime.measure.worker import work

    work(_subject(options), _hold(options))


def _subject(options: argparse.Namespace) -> Subject:
    from edgecnn_runtime.measure.job import Subject

    return Subject(
        options.bundle,
        options.artefact,
        options.engine,
        options.precision,
        options.threads,
        batch=options.batch,
    )


def _prove(options: argparse.Namespace) -> None:
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.engines import engine_class
    from edgecnn_runtime.measure.training_step import is_training_graph, verify_step
    from edgecnn_runtime.parity.answers import find_artefact, save_answers, verify_answers

    kind = engine_class(options.engine)
    with Bundle(options.bundle, _hold(options)) as bundle:
        if is_training_graph(bundle, options.artefact):
            verification, answers = verify_step(
                bundle, threads=options.threads, batch=options.batch, counted_runs=options.count
            )
        else:
            artefact = find_artefact(bundle, options.artefact)
            verification, answers = verify_answers(
                bundle,
                artefact,
                kind,
                threads=options.threads,
                counted_runs=options.count,
                batch=options.batch,
            )
    if options.answers is not None:
        save_answers(options.answers, answers)
    _emit("proof", **verification.to_json())


def _profile(options: argparse.Namespace) -> None:
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.measure.profile import profile_artefact

    with Bundle(options.bundle, _hold(options)) as bundle:
        profile = profile_artefact(
            bundle, options.artefact, options.engine, threads=options.threads, runs=options.runs
        )
    _emit("profile", **profile.to_json())


def _verify(options: argparse.Namespace) -> None:
    from edgecnn_runtime.bundle import Bundle
    from edgecnn_runtime.engines import engine_class, engine_names
    from edgecnn_runtime.engines.table import REFERENCE
    from edgecnn_runtime.parity.training import verify_training
    from edgecnn_runtime.parity.verify import verify_artefact

    names = engine_names() if options.engine is None else (options.engine,)
    kinds = list(map(engine_class, names))
    with Bundle(options.bundle, _hold(options)) as bundle:
        artefacts, training = bundle.manifest.artefacts, bundle.manifest.training
        chosen = [
            artefact
            for artefact in artefacts
            if options.precision in (None, artefact.precision)
            and options.artefact in (None, artefact.path)
        ]
        is_learnt = training is not None and options.artefact in (None, training.graph)
        if not chosen and not is_learnt:
            listing = ", ".join(f"{artefact.path} ({artefact.precision})" for artefact in artefacts)
            raise BundleError(f"{options.bundle} has no such artefact; it has {listing}")
        for artefact in chosen:
            for kind in kinds:
                if artefact.format in kind.formats:
                    _emit("row", **verify_artefact(bundle, artefact, kind).to_json())
        is_run = is_learnt and options.precision is None and REFERENCE in names
        if is_run and (row := verify_training(bundle)) is not None:
            _emit("row", **row.to_json())


COMMANDS = {
    "host": _host,
    "cold": _cold,
    "bench": _bench,
    "keep": _keep,
    "work": _work,
    "prove": _prove,
    "profile": _profile,
    "verify": _verify,
    "run": _run,
}
