"""``edgecnn zoo``: list, describe and compare the architectures."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.commands.options import ShapeParam, form_options, json_option, quiet_option
from edgecnn.console import echo
from edgecnn.zoo import ARCHITECTURES, Form


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
@quiet_option
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
    quiet: bool,
) -> None:
    """List the networks that edgecnn knows. One NAME describes it stage by stage, several compare.

    NAME is one of the list, or package.module:factory for a network of your own, with --input.

    \b
    Examples:
      edgecnn zoo
      edgecnn zoo resnet50 --plot resnet50.png
      edgecnn zoo mobilenet_v2 efficientnet_b0 --input 1x3x160x160
    """
    from edgecnn.results.printing import print_result
    from edgecnn.results.zoo import NetworksResult, ZooResult
    from edgecnn.zoo.figures import read_figures

    form = Form(classes, width, depth, stem, phi)
    if not names:
        if form.given() or shape or plot:
            raise click.UsageError(
                "options need the NAME of a network, as in: edgecnn zoo resnet50"
            )
        print_result(ZooResult(read_figures()), as_json=as_json)
        return
    if plot is not None:
        from edgecnn.report.plots.network import check_plot

        check_plot(plot, len(names))
    from edgecnn.model.describe import describe
    from edgecnn.model.resolve import resolve
    from edgecnn.progress_bar import waiting

    with waiting("building the network", quiet=quiet or as_json):
        networks = tuple(describe(resolve(name), form, shape) for name in names)
    if plot is not None:
        from edgecnn.report.plots.network import draw

        draw(networks, plot)
    print_result(NetworksResult(networks), as_json=as_json)
    if plot is not None and not as_json:
        echo(f"\ndrawn to {plot}")
