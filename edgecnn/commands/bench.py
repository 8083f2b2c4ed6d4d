"""``edgecnn bench``: latency of a bundle's artefacts on a device, or the reason why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.bench_options import Duration, Names, Threads
from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import bundle_argument, json_option, quiet_option
from edgecnn.console import complain, echo

if TYPE_CHECKING:
    from edgecnn.results.bench import LatencyResult
    from edgecnn.results.benching import BenchOptions


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
@click.option(
    "--learn", is_flag=True, help="Measure a step of learning, and an inference of as many images."
)
@click.option("--batch", type=click.IntRange(1), help="Images of a step; by default 16.")
@click.option("--profile", is_flag=True, help="Time every operator instead, in one thread.")
@click.option(
    "--record", is_flag=True, help="Write the medians into BUNDLE: open chooses by them there."
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
    learn: bool,
    batch: int | None,
    profile: bool,
    record: bool,
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

    With --learn it is a step of the training graph, in turn with an inference of as many images:
    its time, its memory beyond Python and the engine, and on an emulated board its instructions.

    With --profile each engine that has a profiler tells where the time of a run goes: by kind of
    operator, and the slowest operators; LiteRT's Python package has none.

    What was measured on this machine without a disturbance is kept, and edge.open takes the fastest
    of it. --record writes the medians of any device into BUNDLE, for machines with its processor.

    Exit code 0: measured. 1: a device failed, or no row of a bundle could be measured. 3: an
    artefact answers wrongly there. 4: slower than --against or --compare. 5: disturbed, no verdict
    for them.

    \b
    Examples:
      edgecnn bench mobilenet_v2.edge --threads 1,4
      edgecnn bench mobilenet_v2.edge --device rpi --record
      edgecnn bench mobilenet_v2.edge --device host,browser
      edgecnn bench mobilenet_v2.edge --device adb:R5CT1234
      edgecnn bench new.edge --against old.edge --engine tflite
      edgecnn bench mobilenet_v2.edge --device rpi4,rpi5,host -o today.jsonl
      edgecnn bench mine.edge --learn --batch 8 --device rpi
      edgecnn bench mobilenet_v2.edge --profile --precision int8
    """
    from edgecnn.results.bench import LatencyResult
    from edgecnn.results.benching import BenchOptions, bench_bundle
    from edgecnn.results.printing import print_result
    from edgecnn_runtime.budget import Budget

    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other; choose one")
    if batch is not None and not learn:
        raise click.UsageError("--batch: only with --learn; an inference is timed at batch 1")
    if plot is not None:
        from edgecnn.report.plots.network import check_plot

        check_plot(plot, 1)
    further = {"--plot": plot is not None, "--csv": as_csv}
    options = BenchOptions(
        devices,
        None if against is None else Path(against),
        engines,
        precisions,
        threads,
        rounds,
        cold_starts,
        sustained,
        output,
        resume,
        earlier,
        wait,
        Budget(max_memory, max_seconds),
        tuple(name for name, is_given in further.items() if is_given),
        learn,
        batch,
        profile,
        record,
    )
    result = bench_bundle(bundle, options, quiet=quiet or as_json)
    if isinstance(result, LatencyResult):
        _print_latencies(result, options, plot, as_csv=as_csv, as_json=as_json)
    else:
        print_result(result, as_json=as_json)
    return result.exit_code


def _print_latencies(
    result: LatencyResult,
    options: BenchOptions,
    plot: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
) -> None:
    from edgecnn.report.bench_csv import csv_text
    from edgecnn.report.plots.bench import draw_bench
    from edgecnn.results.printing import print_result

    if as_csv:
        echo(csv_text(result.devices).removesuffix("\n"))
    elif not as_json:
        print_result(result, as_json=False)
    if plot is not None and result.devices:
        draw_bench(result.devices, plot, is_sustained=options.sustained_s is not None)
    if as_json:  # last: a drawing that fails is a document of its own
        print_result(result, as_json=True)
    for line in result.failures:
        complain(line)
