"""``edgecnn zoo``: the architectures."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgecnn.commands.options import json_option, silent_option
from edgecnn.zoo import ARCHITECTURES, Architecture

SCHEMA = "edgecnn.zoo/1"


@click.command("zoo", short_help="List the networks, or describe one.")
@click.argument("name", required=False)
@click.option("--width", type=click.FloatRange(0.05, 8), help="Width multiplier.")
@json_option
@silent_option
def command(name: str | None, width: float | None, as_json: bool) -> None:
    """List the networks that edgecnn knows, or count the layers of NAME.

    \b
    Examples:
      edgecnn zoo
      edgecnn zoo mobilenet_v2 --width 0.5
    """
    from edgecnn.models import find_architecture
    from edgecnn.report.console import print_json

    if name is None:
        if as_json:
            print_json(SCHEMA, {"networks": [_row(a) for a in ARCHITECTURES.values()]})
        else:
            _print_all()
        return
    architecture = find_architecture(name)
    described = _describe(architecture, width)
    if as_json:
        print_json(SCHEMA, {"networks": [described]})
        return
    for what, value in described.items():
        click.echo(f"{what.replace('_', ' '):<17}{_spell(value)}")


def _row(architecture: Architecture) -> dict[str, object]:
    return {
        "name": architecture.name,
        "input": "x".join(map(str, architecture.input)),
        "classes": architecture.classes,
        "weights": list(architecture.weights),
        "paper": architecture.paper,
    }


def _describe(architecture: Architecture, width: float | None) -> dict[str, object]:
    from edgecnn.errors import ModelUnusable
    from edgecnn.zoo.summary import summarise

    if width is not None and not architecture.has_width:
        raise ModelUnusable(f"{architecture.name} has no width multiplier; leave out --width")
    summary = summarise(architecture.build(width=width), architecture.input)
    return _row(architecture) | asdict(summary)


def _spell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none published; pass --weights FILE"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_all() -> None:
    from edgecnn.report.console import stdout, table

    shown = table(("name", "input", "classes", "weights", "paper"), right=("classes",))
    for architecture in ARCHITECTURES.values():
        row = _row(architecture)
        weights = ", ".join(architecture.weights) or "–"
        shown.add_row(
            architecture.name, str(row["input"]), str(row["classes"]), weights, architecture.paper
        )
    stdout().print(shown)
