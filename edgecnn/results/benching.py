"""The functions behind `edgecnn bench`: devices are resolved, then measured or emulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import OptionsRefused
from edgecnn.results.bench import EmulatedResult, LatencyResult
from edgecnn.results.bench_profile import ProfilingResult
from edgecnn_runtime.budget import Budget

if TYPE_CHECKING:
    from edgecnn.bench.estimated import Estimate
    from edgecnn.bench.journal import Record
    from edgecnn.bench.wanted import Wanted
    from edgecnn.bundles.opens import Opens
    from edgecnn.devices.board import Board
    from edgecnn_runtime.measure.results import BenchResult

BenchedResult = LatencyResult | EmulatedResult | ProfilingResult


@dataclass(frozen=True)
class BenchOptions:
    """Options of ``edgecnn bench``.

    Attributes:
        devices: names for ``--device``.
        against: baseline to compare with, a bundle.
        engines, precisions: only these; empty for all.
        threads: a row for each; empty for the number of cores, at most four.
        rounds: number of rounds.
        cold_starts: new processes a row; 0 for none.
        sustained_s: measure for this long; None for `rounds`.
        output: file for the raw samples.
        is_resumed: continue the same bench where it was interrupted.
        compare: file of an earlier run's samples to compare with.
        wait_s: longest wait for a busy board.
        budget: memory and time that a bundle may cost.
        timed: further options that are for latencies alone, as they are typed: ``--plot``.
        learns: measure a step of the training graph beside an inference of as many images.
        batch: images of a step.
        profiles: time operators, not runs.
        is_recorded: write the medians into the bundle.
    """

    devices: tuple[str, ...] = ("host",)
    against: Path | None = None
    engines: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    rounds: int = 60
    cold_starts: int = 3
    sustained_s: float | None = None
    output: Path | None = None
    is_resumed: bool = False
    compare: Path | None = None
    wait_s: float = 600.0
    budget: Budget = field(default_factory=Budget)
    timed: tuple[str, ...] = ()
    learns: bool = False
    batch: int | None = None
    profiles: bool = False
    is_recorded: bool = False

    def for_latencies(self) -> list[str]:
        """The options that were given and are for latencies alone, as they are typed."""
        given = {
            "--against": self.against is not None,
            "--sustained": self.sustained_s is not None,
            "--output": self.output is not None,
            "--resume": self.is_resumed,
            "--compare": self.compare is not None,
            "--learn": self.profiles and self.learns,
            "--record": self.is_recorded,
        }
        return [*(name for name, is_given in given.items() if is_given), *self.timed]


def bench_bundle(bundle: str, options: BenchOptions, *, quiet: bool = True) -> BenchedResult:
    """Measure every artefact of a bundle on every engine of the devices, in turn.

    An ``.onnx`` or ``.tflite`` file is measured as it is; no answer of it is verified.

    Args:
        quiet: show no progress on stderr.

    Raises:
        OptionsRefused: options that do not go with these devices.
        BundleError: a bundle cannot be trusted.
        BenchRefused, UnknownDevice: a bundle or a device does not allow it.
        JournalUnreadable, JournalBusy: the files of samples.
    """
    from edgecnn.bundles.plain import as_bundles

    if options.learns and options.against is not None:
        raise OptionsRefused("--against: not with --learn, which compares with an inference")
    if options.is_recorded and (options.learns or options.against is not None):
        raise OptionsRefused("--record: not with --learn or --against, whose rows are others")
    with as_bundles((Path(bundle), options.against), options.budget) as (own, against):
        if options.is_recorded and own != Path(bundle):
            raise OptionsRefused(f"--record: {bundle} is no bundle; edgecnn export makes one")
        return _bench(str(own), replace(options, against=against), quiet=quiet)


def _bench(bundle: str, options: BenchOptions, *, quiet: bool) -> BenchedResult:
    from edgecnn.bench.estimated import read_estimates, split_targets
    from edgecnn.bench.journal import read_journal
    from edgecnn.devices import find_boards

    past = None if options.compare is None else read_journal(options.compare)
    wanted = _wanted(bundle, options)
    wanted.check()
    names, targets = split_targets(options.devices, wanted.bundle)
    estimates = tuple(read_estimates(wanted.bundle, targets))
    given = options.for_latencies()
    if estimates and ("--csv" in given or (given and not names)):
        what = "--csv" if "--csv" in given else given[0]
        raise OptionsRefused(f"{what} is for latencies, which an estimate is not")
    if estimates and not names:
        return LatencyResult({}, estimates=estimates)
    boards = find_boards(names)
    try:
        if options.profiles:
            return _profile(
                boards, wanted, [*given, *(f"--device {one.name}" for one in targets)], quiet=quiet
            )
        if all(board.is_timed for board in boards):
            return _measure(boards, wanted, options, past, estimates, quiet=quiet)
        return _prove(boards, wanted, given, estimates, quiet=quiet)
    finally:
        for board in boards:
            board.close()


def _wanted(bundle: str, options: BenchOptions) -> Wanted:
    from edgecnn.bench.wanted import Wanted
    from edgecnn_runtime.measure.job import MeasurementPlan

    plan = MeasurementPlan(
        rounds=options.rounds, sustained_s=options.sustained_s, cold_starts=options.cold_starts
    )
    return Wanted(
        Path(bundle),
        plan,
        options.against,
        options.engines,
        options.precisions,
        options.threads,
        options.wait_s,
        options.budget,
        options.learns,
        options.batch,
    )


def _measure(
    boards: Sequence[Board],
    wanted: Wanted,
    options: BenchOptions,
    past: Record | None,
    estimates: tuple[Estimate, ...],
    *,
    quiet: bool,
) -> LatencyResult:
    from edgecnn.bench.compare import changes
    from edgecnn.bench.resumable import measure_on
    from edgecnn.bench.unlike import unlike_baseline

    measured = measure_on(
        boards, wanted, options.output, is_resumed=options.is_resumed, quiet=quiet
    )
    if options.is_recorded:
        _record(wanted, measured.results, quiet=quiet)
    opens = _kept(boards, wanted, measured.results)
    return LatencyResult(
        devices=measured.results,
        compared=() if past is None else tuple(changes(measured.results, past)),
        estimates=estimates,
        failed=measured.failed,
        is_against=options.against is not None,
        warning=unlike_baseline(wanted.bundle, options.against),
        opens=opens,
    )


def _profile(
    boards: Sequence[Board], wanted: Wanted, refused: Sequence[str], *, quiet: bool
) -> ProfilingResult:
    """Times of operators on devices that are timed."""
    from edgecnn.bench.profiled import profile_on
    from edgecnn.progress_bar import bars

    if refused:
        raise OptionsRefused(f"{refused[0]} does not go with --profile, which times operators")
    if untimed := [board.name for board in boards if not board.is_timed]:
        raise OptionsRefused(f"{untimed[0]} is emulated: --profile needs a device with a latency")
    single = replace(wanted, threads=wanted.threads or (1,))
    with bars([board.name for board in boards], quiet=quiet) as shown:
        return ProfilingResult(
            tuple(
                profile_on(board, single, shown.progress[board.name], shown.doing[board.name])
                for board in boards
            )
        )


def _record(wanted: Wanted, results: Mapping[str, BenchResult], *, quiet: bool) -> None:
    from edgecnn.bench.record import record_measured
    from edgecnn.console import note

    count = record_measured(wanted.bundle, results.values(), wanted.budget)
    kept = f"{count} medians are in {wanted.bundle} now"
    note(kept if count else "nothing was recorded: the run was disturbed", quiet=quiet)


def _kept(
    boards: Sequence[Board], wanted: Wanted, results: Mapping[str, BenchResult]
) -> Opens | None:
    """Keep what was measured on this machine; what `open` takes of the bundle from now on.

    None where nothing was measured here, and of steps of learning.
    """
    from edgecnn.bench.known import keep_measured
    from edgecnn.bundles.opens import what_opens
    from edgecnn.devices.local import LocalBoard
    from edgecnn_runtime.errors import EngineError

    local = [board for board in boards if isinstance(board, LocalBoard) and board.name in results]
    if not local or wanted.learns:
        return None
    for board in local:
        places = {place: path for path, place in board.send(wanted.bundles).items()}
        keep_measured(results[board.name], places)
    try:
        return what_opens(wanted.bundle, wanted.budget)
    except EngineError:  # only other interpreters have an engine, or none answers rightly
        return None


def _prove(
    boards: Sequence[Board],
    wanted: Wanted,
    refused: Sequence[str],
    estimates: tuple[Estimate, ...],
    *,
    quiet: bool,
) -> EmulatedResult:
    """Outputs and instruction counts on emulated boards; no latency."""
    from edgecnn.bench.emulated import prove_on
    from edgecnn.devices.emulated import EmulatedBoard
    from edgecnn.progress_bar import bars

    emulated = [board for board in boards if isinstance(board, EmulatedBoard)]
    if len(emulated) < len(boards):
        raise OptionsRefused("emulated boards give no latency: bench them apart from real ones")
    if refused:
        raise OptionsRefused(
            f"{refused[0]} is for latencies, which an emulated board does not give"
        )
    with bars([board.name for board in boards], quiet=quiet) as shown:
        proofs = tuple(
            prove_on(board, wanted, shown.progress[board.name], shown.doing[board.name])
            for board in emulated
        )
    return EmulatedResult(proofs, estimates)
