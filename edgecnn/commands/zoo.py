"""``edgecnn zoo``: list, describe and compare the architectures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.options import ShapeParam, form_options, json_option, quiet_option
from edgecnn.console import echo
from edgecnn.zoo import ARCHITECTURES, Form

if TYPE_CHECKING:
    from edgecnn.results.gradient import GradientOptions

# In place of a LAYER.
LIST = "list"


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ARCHITECTURES if name.startswith(incomplete)]


@click.command("zoo", short_help="List the networks, describe one, or compare several.")
@click.argument("names", metavar="[NAME]…", nargs=-1, shell_complete=_complete)
@form_options
@click.option("--input", "shape", type=ShapeParam(), help="Input shape, as 1x3x224x224.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw cost and receptive field, or the gradient, to a .png, .svg or .pdf file.",
)
@click.option(
    "--gradient",
    "layer",
    metavar="LAYER",
    help="Draw the gradient of a convolution or pooling with --plot; 'list' lists the layers.",
)
@click.option("--image", help="Image for --gradient; by default a photograph of edgecnn's.")
@click.option(
    "--weights",
    help="Weights for --gradient, as edgecnn export takes them; by default the shipped ones, "
    "without such random.",
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
    layer: str | None,
    image: str | None,
    weights: str | None,
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
      edgecnn zoo resnet20 --gradient layer2.0.conv1 --plot gradient.png
    """
    from edgecnn.results.gradient import GradientOptions
    from edgecnn.results.printing import print_result
    from edgecnn.results.zoo import NetworksResult, ZooResult
    from edgecnn.zoo.figures import read_figures

    form = Form(classes, width, depth, stem, phi)
    _check_gradient(names, layer, plot, image=image, weights=weights)
    if layer is not None:
        options = GradientOptions(image, weights, form, shape)
        _show_gradient(names[0], layer, plot, options, as_json=as_json, quiet=quiet)
        return
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
    from edgecnn.progress_bar import load_torch, waiting

    load_torch(quiet=quiet or as_json)
    from edgecnn.model.describe import describe
    from edgecnn.model.resolve import resolve

    with waiting("building the network", quiet=quiet or as_json):
        networks = tuple(describe(resolve(name), form, shape) for name in names)
    if plot is not None:
        from edgecnn.report.plots.network import draw

        draw(networks, plot)
    print_result(NetworksResult(networks), as_json=as_json)
    if plot is not None and not as_json:
        echo(f"\ndrawn to {plot}")


def _check_gradient(
    names: tuple[str, ...],
    layer: str | None,
    plot: Path | None,
    *,
    image: str | None,
    weights: str | None,
) -> None:
    """Check that the options of a gradient go together, before anything is loaded."""
    example = f"edgecnn zoo {names[0] if names else 'resnet20'} --gradient {layer or 'LAYER'}"
    if layer is None:
        for option, value in (("--image", image), ("--weights", weights)):
            if value is not None:
                raise click.UsageError(f"{option} is for a gradient: {example} --plot gradient.png")
        return
    if len(names) != 1:
        raise click.UsageError(
            f"--gradient takes one NAME, found {len(names)}, as in: {example} --plot gradient.png"
        )
    if layer == LIST and (plot is not None or image is not None):
        raise click.UsageError(f"a list draws nothing; leave out --plot and --image: {example}")
    if layer != LIST and plot is None:
        raise click.UsageError(
            f"--gradient draws a picture; name its file: {example} --plot gradient.png"
        )


def _show_gradient(
    name: str,
    layer: str,
    plot: Path | None,
    options: GradientOptions,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw the gradient of a layer, or list the layers."""
    from edgecnn.model.resolve import resolve
    from edgecnn.progress_bar import load_torch, waiting
    from edgecnn.results.gradient import draw_gradient, list_layers
    from edgecnn.results.printing import print_result

    source = resolve(name)
    if plot is not None:
        from edgecnn.report.plots.network import check_plot

        check_plot(plot, 1)
    load_torch(quiet=quiet or as_json)
    if layer == LIST or plot is None:
        print_result(list_layers(source, options), as_json=as_json)
        return
    with waiting("differentiating", quiet=quiet or as_json):
        result = draw_gradient(source, layer, plot, options)
    print_result(result, as_json=as_json)
    if not as_json:
        echo(f"\ndrawn to {plot}")
