"""Worker of a bench: one row in a process of its own, opened once, run on request.

A crash of an engine ends only its own row, threads and memory are not shared, and engines that
cannot share an interpreter (NumPy 1 and NumPy 2) are still measured in turn.

A request is one line of JSON on stdin, the reply one on stdout: ``{"open": true}``, always the
first, whose reply is the parity of the artefact on its golden examples, ``{"warm_up": seconds}``
and ``{"block": runs}``. The end of stdin ends the process.

Engines are loaded at once, all workers side by side; artefacts are opened one at a time, because
the peak memory of opening all together would be too much for a small board.
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

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import Model, one_run
from edgecnn_runtime.engines.engine_id import EngineId, engine_fields, engine_id
from edgecnn_runtime.errors import EngineUnavailable
from edgecnn_runtime.host.process import peak_memory_bytes
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.measure.timing import timed_block, warm_up
from edgecnn_runtime.measure.training_step import (
    is_training_graph,
    open_step,
    step_fields,
)
from edgecnn_runtime.opening import open
from edgecnn_runtime.parity.answers import repeated
from edgecnn_runtime.parity.golden import golden_answers
from edgecnn_runtime.parity.verify import judge
from edgecnn_runtime.session import Session, zero_feeds

if TYPE_CHECKING:
    from edgecnn_runtime.measure.job import Subject


def work(subject: Subject, budget: Budget) -> None:
    """Open the artefact of `subject` on its engine and reply to requests until stdin ends.

    Args:
        budget: opening, each run on a golden example and each request is a step of it.

    Raises:
        BundleError, EngineError: from `open`.
    """
    replies = _own_stdout()
    if subject.engine is not None:
        with contextlib.suppress(EngineUnavailable):  # `open` raises it again
            engine_class(subject.engine).version()
    if not sys.stdin.readline():
        return
    with contextlib.ExitStack() as closing:
        parity, run = _open_row(subject, budget, closing)
        _write(replies, parity)
        for line in sys.stdin:
            with budget.step():
                reply = _fulfil(json.loads(line), run)
            _write(replies, reply)


def _open_row(
    subject: Subject, budget: Budget, closing: contextlib.ExitStack
) -> tuple[dict[str, Any], Callable[[], object]]:
    """Parity of the row, and the function to time.

    Args:
        closing: closes what is opened here.
    """
    with Bundle(subject.bundle, budget) as bundle:
        if is_training_graph(bundle, subject.artefact):
            parity = step_fields(bundle)
            step = open_step(bundle, threads=subject.threads, batch=subject.batch)
            closing.callback(step.close)
            return parity, step.run
    session = closing.enter_context(
        open(
            subject.bundle,
            engine=subject.engine,
            precision=subject.precision,
            threads=subject.threads,
            artefact=subject.artefact,
            budget=budget,
        )
    )
    return _verify(subject, session, budget)


def _own_stdout() -> TextIO:
    """The stream of replies; what an engine prints on stdout goes to stderr from here on."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _write(replies: TextIO, reply: dict[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


def _verify(
    subject: Subject, session: Session, budget: Budget
) -> tuple[dict[str, Any], Callable[[], object]]:
    """Parity of the artefact on its golden examples, and the function to time."""
    identity = engine_id(engine_class(session.engine.name))
    with Bundle(subject.bundle, budget) as bundle:
        reply, feeds = prove_row(bundle, session.artefact, session.engine, identity)
    if subject.batch is not None:
        feeds = {name: repeated(array, subject.batch) for name, array in feeds.items()}
    return reply, one_run(session.engine, feeds)


def prove_row(
    bundle: Bundle, artefact: Artefact, model: Model, engine: EngineId
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Parity of an opened artefact on the golden examples, as JSON, and the input to time it with.

    Args:
        model: the artefact, opened, with the inputs and outputs of the manifest.
    """
    manifest = bundle.manifest
    reply: dict[str, Any] = {
        "name": manifest.name,
        "artefact": artefact.path,
        "format": artefact.format,
        "precision": artefact.precision,
        **engine_fields(engine),
    }
    if not manifest.golden:
        note = "the bundle has no golden examples"
        return reply | {"verdict": "unproven", "note": note}, zero_feeds(manifest)
    parity = judge(artefact, engine, list(golden_answers(bundle, model)), manifest.groups)
    assert parity.difference is not None, "there are golden answers"
    reply |= {"verdict": parity.verdict, "note": parity.note}
    return reply | {"difference": asdict(parity.difference)}, dict(bundle.golden(0).inputs)


def _fulfil(request: dict[str, Any], run: Callable[[], object]) -> dict[str, Any]:
    if "warm_up" in request:
        reply: dict[str, Any] = asdict(warm_up(run, request["warm_up"]))
    else:
        # Rounded to nanoseconds, the resolution of the clock.
        samples = timed_block(run, request["block"], time.perf_counter_ns)
        reply = {"samples_ms": [round(sample, 6) for sample in samples]}
    return reply | {"own_seconds": time.process_time(), "peak_memory_bytes": peak_memory_bytes()}
