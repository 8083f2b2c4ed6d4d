"""``edgecnn run``: classify images with a bundle, as an app would."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import (
    bundle_argument,
    engine_option,
    json_option,
    precision_option,
    quiet_option,
    threads_option,
)
from edgecnn.console import complain
from edgecnn.exit_codes import FAILED
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.host.process import agent_lines

SCHEMA = "edgecnn.run/1"


@click.command("run", short_help="Classify images, as an app would.")
@bundle_argument
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="Classes to show."
)
@engine_option
@precision_option
@threads_option
@budget_options
@json_option
@quiet_option
def command(
    bundle: str,
    images: tuple[str, ...],
    top: int,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    max_memory: int,
    max_seconds: float,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run BUNDLE on each IMAGE and print the likeliest classes with their scores.

    A file that is no image is named on stderr and skipped; the exit code is then 1. The bundle is
    opened in a process of its own, which ends where it costs more than --max-memory or
    --max-seconds.

    \b
    Example:
      edgecnn run mobilenet_v2.edge cat.jpg coffee.jpg --top 1
    """
    from edgecnn.console import print_json
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.run_table import class_blocks
    from edgecnn_runtime.tasks import Classification

    chosen = {"--engine": engine, "--precision": precision, "--threads": threads, "--top": top}
    words = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    budget = Budget(max_memory, max_seconds)
    results: dict[str, list[Classification]] = {}
    used: dict[str, str] = {}
    failed = 0
    for event in _events([*words, *budget.options(), "--", bundle, *images]):
        if event["event"] == "opened":
            used = {"engine": event["engine"], "precision": event["precision"]}
        elif event["event"] == "classified":
            results[event["image"]] = [Classification(**one) for one in event["classes"]]
        else:
            complain(event["reason"])
            failed += 1
    if as_json:
        listed = [
            {"image": image, "classes": [asdict(prediction) for prediction in classes]}
            for image, classes in results.items()
        ]
        print_json(SCHEMA, {"bundle": bundle} | used | {"images": listed})
    elif results:
        print_blocks(class_blocks(results))
    return FAILED if failed else 0


def _events(arguments: list[str]) -> list[dict[str, Any]]:
    """Events of the agent's command ``run``; an engine may print other lines on stdout."""
    lines = [line for line in agent_lines(["run", *arguments]) if line.startswith('{"event"')]
    return [json.loads(line) for line in lines]
