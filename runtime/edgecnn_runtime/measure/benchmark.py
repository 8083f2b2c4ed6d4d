"""A whole bench on this machine: golden outputs verified first, then all rows timed in turn.

It is told as events while it runs, so that what was finished is kept if it is interrupted;
`edgecnn_runtime.measure.results` makes a table of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.host import lifeline
from edgecnn_runtime.host.energy import EnergyMeter
from edgecnn_runtime.host.facts import HostState, read_host, read_state
from edgecnn_runtime.host.lock import machine_lock
from edgecnn_runtime.host.process import fresh_start
from edgecnn_runtime.measure.job import MeasurementJob
from edgecnn_runtime.measure.rounds import round_numbers, runs_per_block, turn
from edgecnn_runtime.measure.worker_process import Worker, WorkerDied, launch

Emit = Callable[[dict[str, Any]], None]

STATE_EVERY_S = 1.0


def benchmark(job: MeasurementJob, emit: Emit, *, is_held: bool = False) -> None:
    """Measure every row of `job` in turn with the others.

    A row whose artefact answers its golden inputs wrongly, or does not run, is told and not timed.
    What is timed is one `run` at batch 1 of the engine itself, on golden input in the form that it
    takes: no file is read, no image is prepared, no axis is turned.

    Args:
        emit: told each event:

            - ``waiting``: ``holder``; another bench holds the machine.
            - ``row``: ``row``, an index; ``verdict``: equal, differs, unproven, refused, crashed;
              ``note``; where it ran, name, artefact, format, precision, engine, ``difference``.
            - ``warm-up``: ``row``, ``runs``, ``last_ms``, ``is_stable``.
            - ``before`` and ``after``: ``host`` and ``state``.
            - ``round``: ``number``, ``at_s``, ``blocks`` (row, samples_ms, energy_j), ``state``.
            - ``died``: ``row``, ``note``; in the middle of the rounds.
            - ``cold``: ``row``, ``sample_ms``, ``peak_memory_bytes``.
            - ``progress``: ``done``, 0 to 1.

        is_held: whoever asked holds our stdin, and wants us to end when it is let go.

    Raises:
        MeasureError: another bench holds the machine.
    """
    with contextlib.ExitStack() as held, contextlib.ExitStack() as crew:
        workers: dict[int, Worker] = {}
        if is_held:
            lifeline.hold(partial(_kill_all, workers))
        if job.wait_s is not None:
            held.enter_context(machine_lock(job.who, job.wait_s, partial(_tell_waiting, emit)))
        for index, subject in enumerate(job.subjects):
            workers[index] = Worker(subject, job.environments.get(subject.environment))
            crew.callback(workers[index].close)
        for index in range(len(job.subjects)):
            _prove(index, workers, emit)
            _tell(emit, "progress", done=0.2 * (index + 1) / len(job.subjects))
        if workers:
            _time(job, workers, emit)
            alive = sorted(workers)
            crew.close()  # their memory and threads would be in the way of the cold starts
            _start_cold(job, alive, emit)
    _tell(emit, "progress", done=1.0)


def _kill_all(workers: dict[int, Worker]) -> None:
    for worker in list(workers.values()):
        worker.kill()


def _tell_waiting(emit: Emit, holder: dict[str, Any]) -> None:
    _tell(emit, "waiting", holder=holder)


def _tell(emit: Emit, event: str, **fields: Any) -> None:
    emit({"event": event} | fields)


def _prove(index: int, workers: dict[int, Worker], emit: Emit) -> None:
    """Report the parity of a row's worker; a row that differs or fails leaves `workers`."""
    try:
        proof = workers[index].proof()
    except WorkerDied as death:
        verdict = "refused" if death.signal is None else "crashed"
        proof = {"verdict": verdict, "note": str(death)}
    _tell(emit, "row", row=index, **proof)
    if proof["verdict"] not in {"equal", "unproven"}:
        workers.pop(index).close()


def _time(job: MeasurementJob, workers: dict[int, Worker], emit: Emit) -> None:
    """Warms every row up and measures them in turn; a row that dies leaves `workers`."""
    runs: dict[int, int] = {}
    for index in sorted(workers):
        with _told(index, workers, emit):
            found = workers[index].warm_up(job.plan.warmup_s)
            runs[index] = runs_per_block(job.plan, found)
            _tell(emit, "warm-up", row=index, **asdict(found))
    meter, began = EnergyMeter(), time.perf_counter()
    _tell(emit, "before", host=asdict(read_host()), state=asdict(_state(workers)))
    last_state = began
    order = sorted(workers)
    for number in round_numbers(job.plan, first=job.done_rounds):
        blocks = []
        for place in turn(number, len(order)):
            index = order[place]
            if index in workers:
                with _told(index, workers, emit):
                    blocks.append(_block(index, workers[index], runs[index], meter))
        now = time.perf_counter()
        state = None
        if now - last_state >= STATE_EVERY_S:
            state, last_state = asdict(_state(workers)), now
        at_s = round(now - began, 3)
        _tell(emit, "round", number=number, at_s=at_s, blocks=blocks, state=state)
        _tell(emit, "progress", done=0.2 + 0.6 * _share(job, number, at_s))
        if not workers:
            break
    _tell(emit, "after", host=asdict(read_host()), state=asdict(_state(workers)))


def _block(index: int, worker: Worker, runs: int, meter: EnergyMeter) -> dict[str, Any]:
    before = meter.read()
    samples = worker.block(runs)
    after = meter.read()
    energy = None if before is None or after is None else round(after - before, 6)
    return {"row": index, "samples_ms": samples, "energy_j": energy}


@contextlib.contextmanager
def _told(index: int, workers: dict[int, Worker], emit: Emit) -> Iterator[None]:
    """Report a worker's death as an event; the other workers go on."""
    try:
        yield
    except WorkerDied as death:
        workers.pop(index).close()
        _tell(emit, "died", row=index, note=str(death))


def _share(job: MeasurementJob, number: int, at_s: float) -> float:
    if job.plan.sustained_s is not None:
        return min(1.0, at_s / job.plan.sustained_s)
    return max((number + 1) / job.plan.rounds, min(1.0, at_s / job.plan.max_s))


def _state(workers: dict[int, Worker]) -> HostState:
    """The machine's state; the workers' time is our own, though the kernel adds it up later."""
    state = read_state()
    spent = sum(worker.own_seconds for worker in workers.values())
    return replace(state, own_seconds=state.own_seconds + spent)


def _start_cold(job: MeasurementJob, rows: Sequence[int], emit: Emit) -> None:
    for done, index in enumerate(rows):
        subject = job.subjects[index]
        command, variables = launch(job.environments.get(subject.environment))
        finished = job.done_cold[index] if job.done_cold else 0
        for _ in range(finished, job.plan.cold_starts):
            try:
                sample_ms, peak = fresh_start(
                    [*command, "cold", subject.bundle, *subject.options()], variables
                )
            except MeasureError as error:
                _tell(emit, "died", row=index, note=str(error))
                break
            _tell(emit, "cold", row=index, sample_ms=sample_ms, peak_memory_bytes=peak)
        _tell(emit, "progress", done=0.8 + 0.2 * (done + 1) / len(rows))
