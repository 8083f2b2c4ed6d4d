"""``edgecnn bench``: latency of a bundle's artefacts on a device, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.bench_options import Duration, Names, Threads, timing_options
from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import bundle_argument, json_option, quiet_option
from edgecnn.console import complain, echo
from edgecnn.exit_codes import DIFFERS, FAILED, NO_VERDICT, OK, SLOWER

if TYPE_CHECKING:
    from edgecnn.bench.compare import Change
    from edgecnn.bench.estimated import Estimate
    from edgecnn.bench.wanted import Wanted
    from edgecnn.devices.board import Board
    from edgecnn_runtime.measure.results import BenchResult


SCHEMA = "edgecnn.bench/2"
PROOF_SCHEMA = "edgecnn.bench-emulated/1"


@click.command("bench", short_help="Measure a bundle on a device, or on several.")
@bundle_argument
@click.option(
    "--device",
    "devices",
    type=Names(),
    default="host",
    show_default=True,
    help="Where to measure; several with commas.",
)
@click.option("--against", metavar="BUNDLE", help="Baseline to compare with, measured in turn.")
@click.option("--engine", "engines", type=Names(), default="", help="Only these; all by default.")
@click.option("--precision", "precisions", type=Names(), default="", help="Only these.")
@click.option(
    "--threads", type=Threads(), default="", help="A row for each; by default the cores, at most 4."
)
@click.option("--rounds", type=click.IntRange(8, 1000), default=60, show_default=True)
@click.option(
    "--cold-starts", type=click.IntRange(0, 50), default=3, show_default=True, help="0 for none."
)
@click.option("--sustained", type=Duration(), help="Measure for this long, such as 30m.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File for the raw samples.")
@click.option("--resume", is_flag=True, help="Continue the same bench where it was interrupted.")
@click.option(
    "--compare",
    "earlier",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Compare with the results of an earlier -o.",
)
@click.option(
    "--wait",
    type=Duration(),
    default="10m",
    show_default=True,
    help="Longest wait for a busy board.",
)
@budget_options
@click.option("--plot", type=click.Path(path_type=Path), help="Plot the samples: png, svg or pdf.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a line of CSV for each row.")
@json_option
@quiet_option
def command(
    bundle: str,
    devices: tuple[str, ...],
    against: str | None,
    engines: tuple[str, ...],
    precisions: tuple[str, ...],
    threads: tuple[int, ...],
    rounds: int,
    cold_starts: int,
    sustained: float | None,
    output: Path | None,
    resume: bool,
    earlier: Path | None,
    wait: float,
    max_memory: int,
    max_seconds: float,
    plot: Path | None,
    as_csv: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure every artefact of BUNDLE on every engine of a device, in turn.

    An artefact must first answer the golden photographs correctly. What is timed is one run at
    batch 1, after a warm-up until it is stable; rows are compared with the first, or with those of
    --against, round by round. A disturbed run reports its cause and names no winner. On an
    emulated board nothing is timed: answers are compared and instructions counted. Of a compile
    target such as ethos-u55-128 its compiler's estimate is printed, in a table of its own.

    Exit code 0: measured. 1: a device failed, or no row of a bundle could be measured. 3: an
    artefact answers wrongly there. 4: slower than --against or --compare. 5: disturbed, no verdict
    for them.

    \b
    Examples:
      edgecnn bench mobilenet_v2.edge --threads 1,4
      edgecnn bench mobilenet_v2.edge --device rpi
      edgecnn bench mobilenet_v2.edge --device host,browser
      edgecnn bench new.edge --against old.edge --engine tflite
      edgecnn bench mobilenet_v2.edge --device rpi4,rpi5,host -o today.jsonl --plot today.png
    """
    from edgecnn.bench.compare import changes
    from edgecnn.bench.estimated import read_estimates, split_targets
    from edgecnn.bench.journal import read_journal
    from edgecnn.bench.resumable import measure_on
    from edgecnn.bench.verdicts import unmeasured
    from edgecnn.bench.wanted import Wanted
    from edgecnn.devices import find_boards
    from edgecnn_runtime.budget import Budget
    from edgecnn_runtime.measure.job import MeasurementPlan

    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other; choose one")
    if plot is not None:
        from edgecnn.report.plots.network import check_plot

        check_plot(plot, 1)
    past = None if earlier is None else read_journal(earlier)
    plan = MeasurementPlan(rounds=rounds, sustained_s=sustained, cold_starts=cold_starts)
    old = None if against is None else Path(against)
    budget = Budget(max_memory, max_seconds)
    wanted = Wanted(Path(bundle), plan, old, engines, precisions, threads, wait, budget)
    wanted.check()
    names, targets = split_targets(devices, wanted.bundle)
    estimates = read_estimates(wanted.bundle, targets)
    if estimates and (as_csv or not names) and (given := timing_options()):
        what = "--csv" if as_csv else given[0]
        raise click.UsageError(f"{what} is for latencies, which an estimate is not")
    boards = find_boards(names)
    try:
        if not all(board.is_timed for board in boards):
            refused = timing_options()
            return _prove(boards, wanted, refused, estimates, as_json=as_json, quiet=quiet)
        if estimates and not boards:
            return _print_estimates(estimates, as_json=as_json)
        measured = measure_on(boards, wanted, output, is_resumed=resume, quiet=quiet or as_json)
    finally:
        for board in boards:
            board.close()
    compared = [] if past is None else changes(measured.results, past)
    _print(measured.results, compared, estimates, as_json=as_json, as_csv=as_csv)
    if plot is not None and measured.results:
        from edgecnn.report.plots.bench import draw_bench

        draw_bench(measured.results, plot, is_sustained=sustained is not None)
    missing = unmeasured(measured.results)
    for message in (*measured.failed.values(), *missing):
        complain(message)
    code = FAILED if measured.failed else _exit_code(measured.results, compared, against)
    return FAILED if missing and code == OK else code


def _print_estimates(estimates: Sequence[Estimate], *, as_json: bool) -> int:
    """Estimates alone: nothing was measured."""
    _print({}, (), estimates, as_json=as_json, as_csv=False)
    return OK


def _prove(
    boards: Sequence[Board],
    wanted: Wanted,
    refused: Sequence[str],
    estimates: Sequence[Estimate],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Outputs and instruction counts on emulated boards; no latency."""
    from edgecnn.bench.emulated import prove_on
    from edgecnn.console import print_json
    from edgecnn.devices.emulated import EmulatedBoard
    from edgecnn.progress_bar import bars
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.emulated_table import proved_blocks
    from edgecnn.report.estimated_table import as_fields, estimated_blocks

    emulated = [board for board in boards if isinstance(board, EmulatedBoard)]
    if len(emulated) < len(boards):
        raise click.UsageError("emulated boards give no latency: bench them apart from real ones")
    if refused:
        raise click.UsageError(
            f"{refused[0]} is for latencies, which an emulated board does not give"
        )
    with bars([board.name for board in boards], quiet=quiet or as_json) as (progress, _):
        proofs = [prove_on(board, wanted, progress[board.name]) for board in emulated]
    if as_json:
        devices = [one.to_json() for one in proofs]
        print_json(PROOF_SCHEMA, {"devices": devices, **as_fields(estimates)})
    else:
        print_blocks([*proved_blocks(proofs), *estimated_blocks(estimates)])
    verdicts = {row.parity.verdict for one in proofs for row in one.rows}
    if verdicts & {"differs", "crashed"}:
        return DIFFERS
    return OK if verdicts - {"skipped"} else FAILED


def _print(
    results: Mapping[str, BenchResult],
    compared: Sequence[Change],
    estimates: Sequence[Estimate],
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    from edgecnn.console import print_json
    from edgecnn.report.bench_document import as_csv as csv_of
    from edgecnn.report.bench_document import as_document
    from edgecnn.report.bench_table import bench_blocks, change_lines
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.estimated_table import as_fields, estimated_blocks

    if as_json:
        print_json(SCHEMA, as_document(results, compared) | as_fields(estimates))
    elif as_csv:
        echo(csv_of(results).removesuffix("\n"))
    elif results:
        print_blocks([*bench_blocks(results), *change_lines(results, compared)])
    if not as_json:
        print_blocks(estimated_blocks(estimates))


def _exit_code(
    results: Mapping[str, BenchResult], compared: Sequence[Change], against: str | None
) -> int:
    rows = [row for result in results.values() for row in result.rows]
    if any(row.verdict in {"differs", "crashed"} for row in rows):
        return DIFFERS
    comparisons = [change.comparison for change in compared if change.comparison]
    if against is not None:
        comparisons += [row.comparison for row in rows if row.comparison]
    verdicts = {comparison.verdict for comparison in comparisons}
    if "slower" in verdicts:
        return SLOWER
    return NO_VERDICT if "tainted" in verdicts else OK
