"""Evaluation run: every image through every artefact, in one process or several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgecnn_runtime
from edgecnn.caller_script import caller_script_left_out
from edgecnn.data.item_values import Value, is_image
from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.examples import Examples
from edgecnn.interrupts import interrupts_held
from edgecnn_runtime.arrays import Array, Floating, Int64, UInt8
from edgecnn_runtime.budget import Budget, hold_process
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.choose import choose
from edgecnn_runtime.errors import EngineError, ImageError
from edgecnn_runtime.host.processor import usable_cores
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.progress import Progress, no_progress
from edgecnn_runtime.session import Session

# Images of one errand to a process: enough to pay for it, few enough for the bar to move.
CHUNK = 32
# Fewer images are done before a second process has begun.
WORTH_A_PROCESS = 200


@dataclass(frozen=True)
class Variant:
    """One artefact of a bundle, by one engine."""

    bundle: str
    engine: str
    precision: str


@dataclass(frozen=True)
class Predictions:
    """Predictions of a variant for the images that could be read.

    Attributes:
        classes: (N,), the likeliest class.
        ranks: (N,), the place of the right one; 0 is the first.
    """

    classes: Int64
    ranks: Int64


@dataclass(frozen=True)
class Outcome:
    """Predictions of each variant, labels of the images, and the broken images."""

    labels: Int64
    answers: tuple[Predictions, ...]
    broken: tuple[str, ...]


Chunk = tuple[Sequence[Value] | UInt8, Int64]
# Of a chunk: (variants, 2, n) of class and rank; which of its images were sound; why others not.
Part = tuple[Int64, Int64, list[str]]


def find_variants(path: str, engine: str | None, precision: str | None) -> list[Variant]:
    """The artefacts of a bundle that can run here, fp32 first.

    Raises:
        BundleError: the bundle cannot be trusted.
        EngineUnavailable, EngineError: nothing in it can run here.
    """
    with Bundle(path) as bundle:
        manifest = bundle.manifest
        wanted = dict.fromkeys(a.precision for a in manifest.artefacts)
        if precision is not None:
            wanted = {precision: None}
        variants = []
        for each in sorted(wanted, key=lambda name: name != "fp32"):
            artefact, kind = choose(manifest, engine, each)
            variants.append(Variant(path, kind.name, artefact.precision))
    return variants


def run(
    variants: Sequence[Variant],
    examples: Examples,
    *,
    processes: int | None = None,
    is_strict: bool = False,
    budget: Budget | None = None,
    progress: Progress = no_progress,
) -> Outcome:
    """Classify every image with every variant.

    Args:
        budget: what the bundles may cost; processes of their own are held to it. None for one's
            own, which may be run in this process.
        processes: how many at once; None is one for each core, where there is enough to do.
        is_strict: end at the first image that cannot be read; else it is left out.

    Raises:
        DataUnreadable: no image can be read, or one of them and `is_strict`.
        EngineError: an engine failed, answered with what is no number, or cost more than `budget`.
    """
    if processes is None:
        processes = usable_cores() if len(examples) >= WORTH_A_PROCESS else 1
    chunks = [
        (examples.images[begin : begin + CHUNK], examples.labels[begin : begin + CHUNK])
        for begin in range(0, len(examples), CHUNK)
    ]
    parts: list[Part] = []
    for part in _map(variants, chunks, min(processes, len(chunks)), budget):
        if is_strict and part[2]:
            raise DataUnreadable(f"{part[2][0]}; without --strict it is left out")
        parts.append(part)
        progress(len(parts) / len(chunks))
    labels = np.concatenate([part[1] for part in parts]) if parts else np.empty(0, np.int64)
    broken = tuple(reason for part in parts for reason in part[2])
    if not len(labels):
        raise DataUnreadable(
            f"{examples.name} has no image that can be read, of {len(broken):,}; the first: "
            f"{broken[0]}"
        )
    joined = np.concatenate([part[0] for part in parts], axis=2)
    answers = tuple(Predictions(classes, ranks) for classes, ranks in joined)
    return Outcome(labels, answers, broken)


def _map(
    variants: Sequence[Variant], chunks: Sequence[Chunk], processes: int, budget: Budget | None
) -> Iterator[Part]:
    if processes <= 1 and budget is None:
        sessions = _open(variants)
        yield from (_ask(sessions, chunk, Budget()) for chunk in chunks)
        return
    # Threads of an engine do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        max(1, processes), spawn, initializer=_begin, initargs=(variants, budget)
    )
    try:
        # A terminal sends Ctrl-C to them too, but an interrupt is for the process that waits.
        with interrupts_held(), caller_script_left_out():
            answers = pool.map(_ask_mine, chunks)
        yield from answers
    except BrokenProcessPool as error:
        raise EngineError(
            f"a process that runs {variants[0].bundle} ended: its engine crashed, or it took more "
            "memory or time than --max-memory and --max-seconds allow; edgecnn verify says which"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


# Of a process that was begun for this: what it is held to, and what its first errand opens.
_budgets: list[Budget] = []
_variants: list[Variant] = []
_sessions: list[Session] = []


def _begin(variants: Sequence[Variant], budget: Budget | None) -> None:
    bundles = {variant.bundle for variant in variants}
    _budgets.append(Budget() if budget is None else hold_process(budget, *bundles))
    _variants.extend(variants)


def _ask_mine(chunk: Chunk) -> Part:
    (budget,) = _budgets
    if not _sessions:
        _sessions.extend(_open(_variants, budget))
    return _ask(_sessions, chunk, budget)


def _open(variants: Sequence[Variant], budget: Budget | None = None) -> list[Session]:
    # One thread: the cores are shared out among the processes.
    return [
        edgecnn_runtime.open(
            v.bundle, engine=v.engine, precision=v.precision, threads=1, budget=budget
        )
        for v in variants
    ]


def _ask(sessions: Sequence[Session], chunk: Chunk, budget: Budget) -> Part:
    images, labels = chunk
    sound, broken, predictions = [], [], []
    for image, label in zip(images, labels, strict=True):
        try:
            predictions.append(
                [_answer(scores, label) for scores in _scores(sessions, image, budget)]
            )
        except ImageError as error:
            broken.append(str(error))
        else:
            sound.append(label)
    answers = np.array(predictions, np.int64).reshape(len(predictions), len(sessions), 2)
    return answers.transpose(1, 2, 0), np.array(sound, np.int64), broken


def _scores(sessions: Sequence[Session], image: Value, budget: Budget) -> Iterator[Floating]:
    """Scores (C,) of each session, as an app would get them; an input is fed as it is."""
    pixels = load_image(image) if is_image(image) else None
    inputs: dict[Preprocess | None, Array] = {}
    for session in sessions:
        kind = session.manifest.preprocess
        if kind not in inputs:
            inputs[kind] = np.asarray(image) if pixels is None else session.preprocess(pixels)
        feed, output = session.manifest.inputs[0], session.manifest.outputs[0].name
        batch = np.repeat(inputs[kind], feed.shape[0] or 1, axis=0)
        with budget.step():
            scores = session.run({feed.name: batch})[output][0]
        if not np.isfinite(scores).all():
            raise EngineError(
                f"{session.manifest.name}, {session.artefact.precision} by {session.engine.name}, "
                f"answers {_name(image)} with NaN or infinity"
            )
        yield scores


def _answer(scores: Floating, label: int) -> tuple[int, int]:
    """The likeliest class, and the place of `label`; equal scores in class order, as `top_k`."""
    own = scores[label]
    before = (scores > own).sum() + (scores[:label] == own).sum()
    return int(scores.argmax()), int(before)


def _name(image: Value) -> str:
    return str(image) if isinstance(image, Path) else "an image"
