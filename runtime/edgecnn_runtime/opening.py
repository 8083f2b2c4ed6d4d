"""Opening a bundle: to run it, or to learn."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import NotTrainable
from edgecnn_runtime.session import Session, open_session

if TYPE_CHECKING:
    from edgecnn_runtime.learn.session import LearningSession


@overload
def open(
    path: str | os.PathLike[str],
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    artefact: str | None = None,
    budget: Budget | None = None,
    learn: Literal[False] = False,
) -> Session: ...
@overload
def open(
    path: str | os.PathLike[str],
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    artefact: str | None = None,
    budget: Budget | None = None,
    learn: Literal[True],
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> LearningSession: ...
def open(
    path: str | os.PathLike[str],
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    artefact: str | None = None,
    budget: Budget | None = None,
    learn: bool = False,
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> Session:
    """Open a bundle: check every digest, take the artefact and engine that are the fastest here.

    Fastest is what benches of this machine measured, else what the bundle says of such a processor,
    else the first by an order of its instruction set (docs/engines.md). An engine that refuses the
    artefact or does not load is passed over, unless it or the artefact is named. `Session.reason`
    says why it was taken.

    Args:
        path: a file ``NAME.edge``.
        engine: name of the engine; None for any that is installed.
        precision: ``fp32``, …; None for any: 8 bits, where the bundle has them, are the fastest on
            most machines.
        threads: intra-operator threads; None for those that were measured to be the fastest, else
            the engine's own number.
        artefact: its path in the bundle; None for any that fits.
        budget: what the bundle may cost; None is `Budget()`. What is seen to exceed it is refused
            before an engine opens it; `hold_process` limits the rest, in a process of its own.
        learn: the session learns from labelled images: a `LearningSession`. It answers with the
            first artefact that fits, in the bundle's order.
        labels: of a session that learns, the names of other classes than the network has: its last
            layer begins anew. None, or the classes that it has: it goes on from what it knows.
        seed: of a session that learns: of its random numbers, where the network has a dropout.

    Raises:
        BundleError: the bundle cannot be trusted, or would cost too much.
        NotTrainable: it is to learn, and has no training graph or no classes to replace.
        EngineUnavailable: no engine for any of its artefacts is installed.
        EngineError: the engine refuses the artefact.
        ValueError: `threads` is no whole number from 1 on.
    """
    # Here, for an engine that refuses the number would be passed over.
    if threads is not None and (not isinstance(threads, int | np.integer) or threads < 1):
        raise ValueError(
            f"threads is {threads!r}, expected a whole number from 1 on; "
            "None leaves the engine its own"
        )
    if not learn:
        if labels is not None:
            raise NotTrainable("labels of other classes are for a session that learns: learn=True")
        with Bundle(path, budget) as bundle:
            return open_session(bundle, engine, precision, threads, artefact)
    from edgecnn_runtime.learn.opening import open_to_learn

    with contextlib.ExitStack() as undo:
        bundle = undo.enter_context(Bundle(path, budget))
        session = open_to_learn(
            bundle,
            labels=labels,
            seed=seed,
            engine=engine,
            precision=precision,
            threads=threads,
            artefact=artefact,
        )
        undo.pop_all()
    return session
