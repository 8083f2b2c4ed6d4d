"""``edgecnn bench``: a latency that can be believed, or the reason why not."""

from __future__ import annotations

from typing import Any

import click

from edgecnn.commands.options import (
    bundle_argument,
    engine_option,
    json_option,
    precision_option,
    quiet_option,
    threads_option,
)
from edgecnn.exit_codes import NO_VERDICT, OK, SLOWER

SCHEMA = "edgecnn.bench/1"


@click.command("bench", short_help="Measure a bundle on a device.")
@bundle_argument
@click.option("--device", default="host", show_default=True, help="Where to measure.")
@click.option("--against", metavar="BUNDLE", help="Baseline to compare with, measured in turn.")
@click.option("--rounds", type=click.IntRange(8, 1000), default=30, show_default=True)
@click.option(
    "--cold-starts", type=click.IntRange(0, 50), default=5, show_default=True, help="0 for none."
)
@engine_option
@precision_option
@threads_option
@json_option
@quiet_option
def command(
    bundle: str,
    device: str,
    against: str | None,
    rounds: int,
    cold_starts: int,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure the latency, cold start and peak memory of BUNDLE.

    The golden photographs must come out right first. One run at batch 1 is timed, after a warm-up
    until it is stable; two bundles are measured in turn (A B, B A, …) and compared by pairs of
    neighbours. A run that was disturbed says by what, and names no winner.

    Exit code 0: measured. 4: slower than the baseline. 5: disturbed, no verdict.

    \b
    Examples:
      edgecnn bench mobilenet_v2.edge --threads 1
      edgecnn bench new.edge --against old.edge
    """
    from edgecnn.devices import find_device
    from edgecnn.report.console import bar, print_json

    options = {
        "--engine": engine,
        "--precision": precision,
        "--threads": threads,
        "--against": against,
        "--rounds": rounds,
        "--cold-starts": cold_starts,
    }
    chosen = [word for k, v in options.items() if v is not None for word in (k, str(v))]
    target = find_device(device)
    with bar(f"measure on {target.name}", quiet=quiet or as_json) as progress:
        result = target.run(["measure", bundle, *chosen], progress)
    result.pop("event")
    if as_json:
        print_json(SCHEMA, {"device": target.name} | result)
    else:
        _print(target.name, result)
    return _exit_code(result["measurement"]["comparison"])


def _exit_code(comparison: dict[str, Any] | None) -> int:
    if comparison is None:
        return OK
    return {"slower": SLOWER, "tainted": NO_VERDICT}.get(comparison["verdict"], OK)


def _print(device: str, result: dict[str, Any]) -> None:
    from edgecnn.report.console import stdout, table

    measured = result["measurement"]
    click.echo(_machine(device, measured))
    titles = ("", "candidate", "baseline")[: len(result["rows"]) + 1]
    shown = table(titles if len(titles) > 2 else ("", ""))
    columns = [
        _column(row, latency)
        for row, latency in zip(result["rows"], measured["latencies"], strict=True)
    ]
    for what in columns[0]:
        shown.add_row(what, *(column[what] for column in columns))
    shown.show_header = len(columns) > 1
    stdout().print(shown)
    if comparison := measured["comparison"]:
        click.echo(_verdict(comparison))
    for reason in measured["tainted"]:
        click.echo(f"TAINTED: {reason}; measure again on a quiet machine")


def _column(row: dict[str, Any], latency: dict[str, Any]) -> dict[str, str]:
    count = row["threads"]
    threads = {None: "default threads", 1: "1 thread"}.get(count, f"{count} threads")
    low, high = latency["interval_ms"]
    column = {
        "bundle": row["bundle"],
        "engine": f"{row['engine']}, {row['precision']}, {threads}",
        "median": f"{latency['median_ms']:.2f} ms (95 % interval {low:.2f} to {high:.2f})",
        "p90, p99": f"{latency['p90_ms']:.2f} ms, {latency['p99_ms']:.2f} ms",
        "runs": f"{len(latency['samples_ms'])} after {latency['warmup_runs']} of warm-up",
    }
    if cold := row["cold"]:
        starts = f"{len(cold['samples_ms'])} processes"
        column["cold start"] = f"{cold['median_ms']:.0f} ms to the first result ({starts})"
        column["peak memory"] = f"{cold['peak_memory_bytes'] / 1e6:.0f} MB"
    return column


def _machine(device: str, measured: dict[str, Any]) -> str:
    host, before, after = measured["host"], measured["before"], measured["after"]
    parts = [host["model"], f"{host['cpu'] or host['machine']}, {host['cores']} cores"]
    if after["mhz"]:
        parts.append(f"{after['mhz']:.0f} MHz")
    if host["governors"]:
        parts.append(f"governor {', '.join(host['governors'])}")
    if before["celsius"] and after["celsius"]:
        hottest = [max(state["celsius"].values()) for state in (before, after)]
        parts.append("{:.0f} → {:.0f} °C".format(*hottest))
    parts.append(f"Python {host['python']}")
    return f"{device}: {', '.join(part for part in parts if part)}"


def _verdict(comparison: dict[str, Any]) -> str:
    interval = f"{comparison['low']:.3f} to {comparison['high']:.3f}"
    verdict = {
        "faster": "FASTER than the baseline",
        "slower": "SLOWER than the baseline",
        "no difference": "NO DIFFERENCE beyond 1 %",
        "tainted": "NO VERDICT",
    }[comparison["verdict"]]
    return (
        f"{verdict}: {comparison['ratio']:.3f} × the baseline's latency "
        f"(99 % interval {interval}, {comparison['rounds']} pairs)"
    )
