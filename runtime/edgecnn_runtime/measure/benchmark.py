"""Benchmark on this machine: golden answers are verified first, then all rows timed in turn.

It emits events while it runs, so that finished rounds are kept if it is interrupted;
`edgecnn_runtime.measure.results` assembles them.
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
from edgecnn_runtime.host.process import measure_cold_start
from edgecnn_runtime.measure.job import MeasurementJob
from edgecnn_runtime.measure.rounds import round_numbers, round_order, runs_per_block
from edgecnn_runtime.measure.worker_process import Worker, WorkerDied, launch
from edgecnn_runtime.parity.verdict import ANSWERS_AS_MADE

Emit = Callable[[dict[str, Any]], None]

STATE_EVERY_S = 1.0


def benchmark(job: MeasurementJob, emit: Emit, *, ends_with_stdin: bool = False) -> None:
    """Measure all rows of `job` in turn.

    A row whose golden answers are wrong, or whose artefact does not run, is reported and not timed.
    What is timed is one `run` of the engine itself, at batch 1 or the row's, on golden input in its
    own layout and types: no file is read, no image is prepared, no axis is transposed. Of a
    training graph it is one step, with what the optimiser changes.

    Args:
        emit: called with each event:

            - ``waiting``: ``holder``; another bench holds the machine.
            - ``row``: ``row``, an index; ``verdict``: equal, differs, unproven, refused, crashed;
              ``note``; if it ran, name, artefact, format, precision, engine, ``difference``.
            - ``warm-up``: ``row``, ``runs``, ``last_ms``, ``is_stable``.
            - ``before`` and ``after``: ``host`` and ``state``.
            - ``round``: ``number``, ``at_s``, ``blocks`` (row, samples_ms, energy_j), ``state``.
            - ``died``: ``row``, ``note``; the worker died while it was timed.
            - ``cold``: ``row``, ``sample_ms``, ``peak_memory_bytes``, ``base_memory_bytes``.
            - ``progress``: ``done``, 0 to 1.

        ends_with_stdin: end this process when stdin ends, as when its parent dies.

    Raises:
        MeasureError: another bench holds the machine.
    """
    with contextlib.ExitStack() as locks, contextlib.ExitStack() as running:
        workers: dict[int, Worker] = {}
        if ends_with_stdin:
            lifeline.end_with_stdin(partial(_kill_all, workers))
        if job.wait_s is not None:
            locks.enter_context(machine_lock(job.who, job.wait_s, partial(_emit_waiting, emit)))
        for index, subject in enumerate(job.subjects):
            environment = job.environments.get(subject.environment)
            workers[index] = Worker(subject, environment, job.budget)
            running.callback(workers[index].close)
        for index in range(len(job.subjects)):
            _verify(index, workers, emit)
            _emit(emit, "progress", done=0.2 * (index + 1) / len(job.subjects))
        if workers:
            _time(job, workers, emit)
            alive = sorted(workers)
            running.close()  # the workers' memory and threads would disturb the cold starts
            _start_cold(job, alive, emit)
    _emit(emit, "progress", done=1.0)


def _kill_all(workers: dict[int, Worker]) -> None:
    for worker in list(workers.values()):
        worker.kill()


def _emit_waiting(emit: Emit, holder: dict[str, Any]) -> None:
    _emit(emit, "waiting", holder=holder)


def _emit(emit: Emit, event: str, **fields: Any) -> None:
    emit({"event": event} | fields)


def _verify(index: int, workers: dict[int, Worker], emit: Emit) -> None:
    """Report the parity of a row's worker; a row that differs or fails leaves `workers`."""
    try:
        parity = workers[index].verify()
    except WorkerDied as death:
        verdict = "crashed" if death.is_crash else "refused"
        parity = {"verdict": verdict, "note": str(death)}
    _emit(emit, "row", row=index, **parity)
    if parity["verdict"] not in {*ANSWERS_AS_MADE, "unproven"}:
        workers.pop(index).close()


def _time(job: MeasurementJob, workers: dict[int, Worker], emit: Emit) -> None:
    """Warm up every row and measure them in turn; a row whose worker dies leaves `workers`."""
    runs: dict[int, int] = {}
    for index in sorted(workers):
        with _report_death(index, workers, emit):
            warmup = workers[index].warm_up(job.plan.warmup_s)
            runs[index] = runs_per_block(job.plan, warmup)
            _emit(emit, "warm-up", row=index, **asdict(warmup))
    meter, began = EnergyMeter(), time.perf_counter()
    _emit(emit, "before", host=asdict(read_host()), state=asdict(_state(workers)))
    last_state = began
    order = sorted(workers)
    for number in round_numbers(job.plan, first=job.done_rounds):
        blocks = []
        for place in round_order(number, len(order)):
            index = order[place]
            if index in workers:
                with _report_death(index, workers, emit):
                    blocks.append(_block(index, workers[index], runs[index], meter))
        now = time.perf_counter()
        state = None
        if now - last_state >= STATE_EVERY_S:
            state, last_state = asdict(_state(workers)), now
        at_s = round(now - began, 3)
        _emit(emit, "round", number=number, at_s=at_s, blocks=blocks, state=state)
        _emit(emit, "progress", done=0.2 + 0.6 * _share_done(job, number, at_s))
        if not workers:
            break
    _emit(emit, "after", host=asdict(read_host()), state=asdict(_state(workers)))


def _block(index: int, worker: Worker, runs: int, meter: EnergyMeter) -> dict[str, Any]:
    before = meter.read()
    samples = worker.block(runs)
    after = meter.read()
    energy = None if before is None or after is None else round(after - before, 6)
    return {"row": index, "samples_ms": samples, "energy_j": energy}


@contextlib.contextmanager
def _report_death(index: int, workers: dict[int, Worker], emit: Emit) -> Iterator[None]:
    """Report a worker's death as an event; the other workers go on."""
    try:
        yield
    except WorkerDied as death:
        workers.pop(index).close()
        _emit(emit, "died", row=index, note=str(death))


def _share_done(job: MeasurementJob, number: int, at_s: float) -> float:
    if job.plan.sustained_s is not None:
        return min(1.0, at_s / job.plan.sustained_s)
    return max((number + 1) / job.plan.rounds, min(1.0, at_s / job.plan.max_s))


def _state(workers: dict[int, Worker]) -> HostState:
    """The machine's state; `own_seconds` includes the workers, which the kernel adds only later."""
    state = read_state()
    spent = sum(worker.own_seconds for worker in workers.values())
    return replace(state, own_seconds=state.own_seconds + spent)


def _start_cold(job: MeasurementJob, rows: Sequence[int], emit: Emit) -> None:
    for done, index in enumerate(rows):
        subject = job.subjects[index]
        command, variables = launch(job.environments.get(subject.environment))
        options = [*subject.options(), *job.budget.options()]
        finished = job.done_cold[index] if job.done_cold else 0
        for _ in range(finished, job.plan.cold_starts):
            try:
                first = measure_cold_start([*command, "cold", subject.bundle, *options], variables)
            except MeasureError as error:
                _emit(emit, "died", row=index, note=str(error))
                break
            _emit(emit, "cold", row=index, **asdict(first))
        _emit(emit, "progress", done=0.8 + 0.2 * (done + 1) / len(rows))
