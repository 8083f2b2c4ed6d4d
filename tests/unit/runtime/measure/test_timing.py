"""Measuring with a clock of its own: no test here depends on how fast this machine is."""

from __future__ import annotations

import gc
import subprocess
import sys
from dataclasses import replace

import pytest

from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.host.facts import CpuTimes, HostState
from edgecnn_runtime.host.process import measure_cold_start, peak_memory_bytes
from edgecnn_runtime.measure.disturbances import disturbances, drift
from edgecnn_runtime.measure.job import MeasurementPlan
from edgecnn_runtime.measure.rounds import MAX_RUNS_PER_BLOCK
from edgecnn_runtime.measure.timing import WINDOW_RUNS, measure, warm_up

QUIET = HostState(
    load=0.1,
    mhz=2000.0,
    celsius={"cpu": 50.0},
    throttled=(),
    was_throttled=("under-voltage",),
    throttle_count=7,
    cpu=CpuTimes(busy=100.0, steal=0.0, total=400.0),
    own_seconds=50.0,
)


class Machine:
    """A clock that the runs themselves advance, and a state that stays quiet."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.calls: list[str] = []
        self.states = [QUIET, later()]

    def run(self, label: str, *milliseconds: float):  # type: ignore[no-untyped-def]
        """A run that takes these times in turn, the last for ever."""
        times = list(milliseconds)

        def one() -> None:
            self.calls.append(label)
            self.now_ns += int(1e6 * (times.pop(0) if len(times) > 1 else times[0]))

        return one

    def clock(self) -> int:
        return self.now_ns

    def state(self) -> HostState:
        return self.states.pop(0)

    def measure(self, candidates, plan: MeasurementPlan):  # type: ignore[no-untyped-def]
        return measure(candidates, plan, state=self.state, clock=self.clock)


def later(**changes: object) -> HostState:
    """The quiet machine ten seconds on, all of whose work was our own."""
    state = replace(QUIET, cpu=CpuTimes(110.0, 0.0, 440.0), own_seconds=60.0)
    return replace(state, **changes)  # type: ignore[arg-type]


def test_samples_are_raw_and_their_summary_is_right() -> None:
    machine = Machine()
    measurement = machine.measure(
        {"a": machine.run("a", 10.0)}, MeasurementPlan(rounds=6, block_ms=30)
    )
    (latency,) = measurement.latencies
    assert latency.samples_ms == (10.0,) * 18
    assert latency.blocks_ms == (10.0,) * 6
    assert (latency.median_ms, latency.interval_ms) == (10.0, (10.0, 10.0))
    assert (latency.p90_ms, latency.p99_ms) == (10.0, 10.0)
    assert latency.warmup_runs == 2 * WINDOW_RUNS
    assert measurement.tainted == ()
    assert measurement.comparison is None


def test_two_candidates_take_turns_in_turned_order() -> None:
    machine = Machine()
    runs = {"a": machine.run("a", 10.0), "b": machine.run("b", 10.0)}
    machine.measure(runs, MeasurementPlan(rounds=4, block_ms=5))
    timed = machine.calls[4 * WINDOW_RUNS :]
    assert "".join(timed) == "abbabaab"


def test_a_faster_candidate_is_said_to_be_faster() -> None:
    machine = Machine()
    runs = {"new": machine.run("new", 8.0), "old": machine.run("old", 10.0)}
    measurement = machine.measure(runs, MeasurementPlan(rounds=8, block_ms=20))
    assert measurement.comparison is not None
    assert (measurement.comparison.verdict, measurement.comparison.rounds) == ("faster", 8)
    assert measurement.comparison.ratio == pytest.approx(0.8)


def test_a_disturbed_comparison_names_no_winner() -> None:
    machine = Machine()
    machine.states = [QUIET, later(cpu=CpuTimes(130.0, 0.0, 440.0))]
    runs = {"new": machine.run("new", 5.0), "old": machine.run("old", 10.0)}
    measurement = machine.measure(runs, MeasurementPlan(rounds=6, block_ms=20))
    assert measurement.tainted == ("other processes took 50% of the processor",)
    assert measurement.comparison is not None
    assert measurement.comparison.verdict == "tainted"


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (later(cpu=CpuTimes(110.0, 4.0, 440.0)), "the hypervisor took 10% of the processor"),
        (later(throttled=("throttled",)), "the processor is limited: throttled"),
        (
            later(was_throttled=("throttled", "under-voltage")),
            "the processor was limited during the run: throttled",
        ),
        (later(throttle_count=9), "the cores' counters of throttling rose by 2"),
        (later(mhz=1500.0), "the clock fell from 2000 to 1500 MHz"),
    ],
)
def test_each_disturbance_is_named_with_its_figure(after: HostState, reason: str) -> None:
    assert disturbances(QUIET, after) == (reason,)


@pytest.mark.parametrize(
    "after",
    [
        later(),
        later(mhz=1960.0, celsius={"cpu": 70.0}),
        later(cpu=None, mhz=None, throttle_count=None),
        later(cpu=CpuTimes(100.4, 0.0, 400.4), own_seconds=50.0),
    ],
)
def test_what_is_ordinary_or_unknown_is_no_disturbance(after: HostState) -> None:
    assert disturbances(QUIET, after) == ()


def test_a_run_that_gets_slower_has_drifted() -> None:
    assert drift([10.0] * 6 + [11.0] * 6 + [12.0] * 6) == pytest.approx(0.2)
    assert drift([10.0, 10.5] * 9) is None
    assert drift([10.0] * 5 + [20.0] * 5) is None, "too few to tell"


def test_noise_alone_is_no_drift() -> None:
    """Thirds whose medians lie 20 % apart, in samples that scatter by more than that."""
    third = [5.0, 7.0, 10.0, 13.0, 15.0]
    assert drift([*third, *third, *(1.2 * sample for sample in third)]) is None
    assert drift([*([10.0] * 5), *third, *([12.0] * 5)]) is not None


def test_drift_taints_the_measurement() -> None:
    machine = Machine()
    slowing = [10.0] * (2 * WINDOW_RUNS) + [10.0 + 0.2 * i for i in range(30)]
    measurement = machine.measure(
        {"a": machine.run("a", *slowing)}, MeasurementPlan(rounds=30, block_ms=1)
    )
    assert any("drifted" in reason for reason in measurement.tainted)


def test_warm_up_goes_on_until_two_windows_agree() -> None:
    machine = Machine()
    run = machine.run("a", *[50.0] * WINDOW_RUNS, *[20.0] * WINDOW_RUNS, 10.0)
    warmup = warm_up(run, 60, machine.clock)
    assert warmup.is_stable
    assert warmup.runs == 4 * WINDOW_RUNS
    assert warmup.last_ms == 10


def test_warm_up_of_a_slow_run_does_not_wait_for_a_whole_window() -> None:
    machine = Machine()
    warmup = warm_up(machine.run("a", 5000.0), 3, machine.clock)
    assert (warmup.runs, warmup.last_ms) == (1, 5000.0)


def test_a_slow_comparison_ends_at_its_limit_with_enough_rounds_for_a_verdict() -> None:
    machine = Machine()
    runs = {"new": machine.run("new", 4000.0), "old": machine.run("old", 5000.0)}
    shares: list[float] = []
    plan = MeasurementPlan(rounds=30, warmup_s=1, max_s=20)
    measurement = measure(
        runs, plan, progress=shares.append, state=machine.state, clock=machine.clock
    )
    assert measurement.comparison is not None
    assert (measurement.comparison.verdict, measurement.comparison.rounds) == ("faster", 8)
    assert shares[-1] == 1


def test_a_limit_between_two_rounds_lets_each_candidate_be_first_as_often() -> None:
    machine = Machine()
    runs = {"a": machine.run("a", 100.0), "b": machine.run("b", 100.0)}
    machine.measure(runs, MeasurementPlan(rounds=30, block_ms=1, max_s=1.7))
    timed = "".join(machine.calls[4 * WINDOW_RUNS :])
    assert timed == "abbabaab" * 2 + "abba", (
        "the limit passes in the ninth round, the tenth is its pair"
    )


def test_a_run_of_microseconds_keeps_a_bounded_number_of_samples() -> None:
    machine = Machine()
    measurement = machine.measure(
        {"a": machine.run("a", 0.001)}, MeasurementPlan(rounds=4, block_ms=60)
    )
    assert len(measurement.latencies[0].samples_ms) == 4 * MAX_RUNS_PER_BLOCK


def test_warm_up_ends_at_its_limit_when_nothing_settles() -> None:
    machine = Machine()
    restless = [float(2**i) for i in range(200) for _ in range(WINDOW_RUNS)]
    warmup = warm_up(machine.run("a", *restless[:100]), 0.5, machine.clock)
    assert not warmup.is_stable


def test_the_garbage_collector_waits_for_a_block_and_comes_back() -> None:
    machine = Machine()
    seen = []

    def run() -> None:
        seen.append(gc.isenabled())
        machine.now_ns += 1_000_000

    measure(
        {"a": run}, MeasurementPlan(rounds=4, block_ms=2), state=machine.state, clock=machine.clock
    )
    assert set(seen) == {False}
    assert gc.isenabled()


def test_progress_ends_at_one() -> None:
    machine = Machine()
    shares: list[float] = []
    plan = MeasurementPlan(rounds=4, block_ms=1)
    run = machine.run("a", 1.0)
    measure({"a": run}, plan, progress=shares.append, state=machine.state, clock=machine.clock)
    assert shares == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("labels", ["", "abc"])
def test_none_or_three_candidates_are_refused(labels: str) -> None:
    with pytest.raises(MeasureError, match="expected one or two"):
        measure({label: lambda: None for label in labels})


GOOD = "from edgecnn_runtime.host.process import first_result_line; print(first_result_line())"


def test_a_cold_start_is_a_fresh_process_each_time() -> None:
    starts = [measure_cold_start([sys.executable, "-c", GOOD]) for _ in range(3)]
    assert all(start.sample_ms > 0 for start in starts)
    assert all(start.peak_memory_bytes > 1 << 20 for start in starts)


def test_peak_memory_is_this_processs_own() -> None:
    """A child that does nothing has a small peak, however large its parent is."""
    ballast = bytearray(300 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert peak_memory_bytes() > 300 << 20
    peak_bytes = measure_cold_start([sys.executable, "-c", GOOD]).peak_memory_bytes
    assert peak_bytes < 200 << 20


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; print('out of luck', file=sys.stderr); sys.exit(3)", "with 3: out of luck"),
        ("print('hello')", "gave no result"),
        ("pass", "gave no result"),
        ("print([])", "gave no result"),
        ("print('{}')", "gave no result"),
    ],
)
def test_a_cold_start_that_fails_says_why(code: str, says: str) -> None:
    with pytest.raises(MeasureError, match=says):
        measure_cold_start([sys.executable, "-c", code])


def test_a_command_that_does_not_exist_is_named() -> None:
    with pytest.raises(MeasureError, match="cannot run /no/such/agent"):
        measure_cold_start(["/no/such/agent"])


def test_what_measures_a_cold_start_does_not_slow_it() -> None:
    """The module is imported within the time that it measures."""
    module = "edgecnn_runtime.host.process"
    code = f"import sys, {module}; print({{'subprocess', 'statistics'}} & {{*sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
