"""``edgecnn zoo``: list, describe and compare the architectures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.options import ShapeParam, form_options, json_option, silent_option
from edgecnn.console import echo
from edgecnn.zoo import ARCHITECTURES, Form

if TYPE_CHECKING:
    from edgecnn.model.describe import Described

SCHEMA = "edgecnn.zoo/2"
LEGEND = """
memory: most activations alive at once, in fp32, at batch 1.
field, stride, centre: input pixels that a feature sees, between two neighbours,
and in the middle of what the first feature sees."""
COMPARISON_LEGEND = """
×: multiple of the first network's. field: pixels that the last features see.
memory: most activations alive at once, in fp32, at batch 1."""


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ARCHITECTURES if name.startswith(incomplete)]


@click.command("zoo", short_help="List the networks, describe one, or compare several.")
@click.argument("names", metavar="[NAME]…", nargs=-1, shell_complete=_complete)
@form_options
@click.option("--input", "shape", type=ShapeParam(), help="Input shape, as 1x3x224x224.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw cost and receptive field to a .png, .svg or .pdf file.",
)
@json_option
@silent_option
def command(
    names: tuple[str, ...],
    classes: int | None,
    width: float | None,
    depth: float | None,
    stem: str | None,
    phi: float | None,
    shape: tuple[int, int, int] | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """List the networks that edgecnn knows. One NAME describes it stage by stage, several compare.

    NAME is one of the list, or package.module:factory for a network of your own, with --input.

    \b
    Examples:
      edgecnn zoo
      edgecnn zoo resnet50 --plot resnet50.png
      edgecnn zoo mobilenet_v2 efficientnet_b0 --input 1x3x160x160
    """
    from edgecnn.console import print_json

    form = Form(classes, width, depth, stem, phi)
    if not names:
        _list(form, shape, plot, as_json)
        return
    if plot is not None:
        from edgecnn.report.plots.network import check_plot

        check_plot(plot, len(names))
    from edgecnn.model.describe import describe
    from edgecnn.model.resolve import resolve

    networks = [describe(resolve(name), form, shape) for name in names]
    if plot is not None:
        from edgecnn.report.plots.network import draw

        draw(networks, plot)
    if as_json:
        from edgecnn.report.network_json import described_as_json

        print_json(SCHEMA, {"networks": [described_as_json(one) for one in networks]})
    elif len(networks) == 1:
        _print_one(networks[0])
    else:
        _print_comparison(networks)
    if plot is not None and not as_json:
        echo(f"\ndrawn to {plot}")


def _list(form: Form, shape: tuple[int, int, int] | None, plot: Path | None, as_json: bool) -> None:
    from edgecnn.console import print_json, stdout
    from edgecnn.report.network_json import listed_as_json
    from edgecnn.report.network_tables import family_table
    from edgecnn.zoo.figures import read_figures

    if form.given() or shape or plot:
        raise click.UsageError("options need the NAME of a network, as in: edgecnn zoo resnet50")
    figures = read_figures()
    if as_json:
        rows = [listed_as_json(a, figures.get(a.name)) for a in ARCHITECTURES.values()]
        print_json(SCHEMA, {"networks": rows})
        return
    stdout().print(family_table(figures))
    echo("\nweights: of at least one network of the row. edgecnn zoo NAME says of which.")


def _print_one(described: Described) -> None:
    from edgecnn.console import stdout
    from edgecnn.report.labelled_lines import print_labelled
    from edgecnn.report.network_tables import facts, stage_table

    print_labelled(facts(described), 17)
    echo()
    stdout().print(stage_table(described.summary))
    echo(LEGEND)


def _print_comparison(networks: list[Described]) -> None:
    from edgecnn.console import stdout
    from edgecnn.report.network_tables import comparison_table

    stdout().print(comparison_table(networks))
    echo(COMPARISON_LEGEND)
