"""First result of several images in a fresh process, for its peak memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.host.process import peak_memory_bytes
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.training_step import is_training_graph, open_step
from edgecnn_runtime.opening import open
from edgecnn_runtime.parity.answers import repeated
from edgecnn_runtime.session import zero_feeds


def run_first_batch(subject: Subject, budget: Budget) -> int:
    """Run one batch of an artefact, or one step of a training graph.

    Returns:
        The largest resident set before the bundle was opened, in bytes: of Python, numpy and the
        engine.

    Raises:
        BundleError, EngineError: the bundle cannot be trusted, or the engine refuses it.
    """
    assert subject.engine is not None, "a bench names it"
    engine_class(subject.engine).version()
    base = peak_memory_bytes()
    with contextlib.ExitStack() as closing:
        run = _opened(subject, budget, closing)
        with budget.step():
            run()
    return base


def _opened(
    subject: Subject, budget: Budget, closing: contextlib.ExitStack
) -> Callable[[], object]:
    with Bundle(subject.bundle, budget) as bundle:
        if is_training_graph(bundle, subject.artefact):
            step = open_step(bundle, threads=subject.threads, batch=subject.batch)
            closing.callback(step.close)
            return step.run
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
    feeds = zero_feeds(session.manifest)
    batch = {name: repeated(array, subject.batch) for name, array in feeds.items()}
    return lambda: session.run(batch)
