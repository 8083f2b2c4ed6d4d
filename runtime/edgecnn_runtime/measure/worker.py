"""Worker of a bench: one row in a process of its own, opened once, run on request.

So an engine that crashes ends its own row only, its threads and its memory are its own, and engines
that cannot share an interpreter (NumPy 1 beside NumPy 2) are measured in turn all the same.

A request is one line of JSON on stdin, an answer one on stdout: ``{"open": true}``, always the
first, answered by what the artefact makes of its golden examples, ``{"warm_up": seconds}`` and
``{"block": runs}``. The end of stdin ends the process.

Engines are loaded at once and so side by side; artefacts are opened one at a time, for what that
takes for a moment would be too much together on a board of little memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import one_run
from edgecnn_runtime.engines.identity import engine_fields, engine_id
from edgecnn_runtime.errors import EngineUnavailable
from edgecnn_runtime.host.process import peak_memory_bytes
from edgecnn_runtime.measure.timing import timed_block, warm_up
from edgecnn_runtime.parity.golden import golden_answers
from edgecnn_runtime.parity.verify import judge
from edgecnn_runtime.session import Session, open, zero_feeds

if TYPE_CHECKING:
    from edgecnn_runtime.measure.job import Subject


def work(subject: Subject) -> None:
    """Open what `subject` names and answer requests until there are no more.

    Raises:
        BundleError, EngineError: as `open` says.
    """
    answers = _own_stdout()
    if subject.engine is not None:
        with contextlib.suppress(EngineUnavailable):  # which opening says better
            engine_class(subject.engine).version()
    if not sys.stdin.readline():
        return
    with open(
        subject.bundle,
        engine=subject.engine,
        precision=subject.precision,
        threads=subject.threads,
        artefact=subject.artefact,
    ) as session:
        proof, run = _prove(subject.bundle, session)
        _answer(answers, proof)
        for line in sys.stdin:
            _answer(answers, _fulfil(json.loads(line), run))


def _own_stdout() -> TextIO:
    """The stream of answers; what an engine prints on stdout goes to stderr from here on."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _prove(bundle_path: str, session: Session) -> tuple[dict[str, Any], Callable[[], object]]:
    """Parity of the artefact on its golden examples, and one run of it to be timed."""
    artefact = session.artefact
    engine = engine_id(engine_class(session.engine.name))
    proof: dict[str, Any] = {
        "name": session.manifest.name,
        "artefact": artefact.path,
        "format": artefact.format,
        "precision": artefact.precision,
        **engine_fields(engine),
    }
    if not session.manifest.golden:
        feeds = zero_feeds(session.manifest)
        proof |= {"verdict": "unproven", "note": "the bundle has no golden examples"}
    else:
        with Bundle(bundle_path) as bundle:
            found = judge(artefact, engine, list(golden_answers(bundle, session.engine)))
            feeds = dict(bundle.golden(0).inputs)
        assert found.difference is not None, "it has answered"
        proof |= {"verdict": found.verdict, "note": found.note}
        proof["difference"] = asdict(found.difference)
    return proof, one_run(session.engine, feeds)


def _fulfil(request: dict[str, Any], run: Callable[[], object]) -> dict[str, Any]:
    if "warm_up" in request:
        found = warm_up(run, request["warm_up"])
        answer: dict[str, Any] = asdict(found)
    else:
        # Rounded to nanoseconds, which is what the clock tells.
        samples = timed_block(run, request["block"], time.perf_counter_ns)
        answer = {"samples_ms": [round(sample, 6) for sample in samples]}
    return answer | {"own_seconds": time.process_time(), "peak_memory_bytes": peak_memory_bytes()}
