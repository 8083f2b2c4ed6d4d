"""``edgecnn export``: a network to ONNX, optimised, verified, packed as a bundle."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.learn_options import Learning, learn_options
from edgecnn.commands.options import (
    BatchParam,
    ShapeParam,
    form_options,
    json_option,
    quiet_option,
)
from edgecnn.commands.quantise_options import Quantising, quantise_options
from edgecnn.commands.target_options import TargetChoice, target_options
from edgecnn.zoo import Form

if TYPE_CHECKING:
    from edgecnn.results.export import ExportResult
    from edgecnn_exporters.quantise.ladder import Quantised


@click.command("export", short_help="Turn a network into a verified bundle.")
@click.argument("model")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Bundle to write.")
@click.option("--weights", help="Published weights by name, a checkpoint file, or 'random'.")
@click.option("--input", "shape", type=ShapeParam(), help="Input of the network, as 1x3x224x224.")
@click.option(
    "--batch", type=BatchParam(), default="dynamic", show_default=True, help="Batch size."
)
@click.option("--preprocess", help="imagenet, unit, signed, mnist, none, or a .json file.")
@click.option(
    "--golden",
    metavar="FOLDER|FILE.npz",
    help="Images or inputs to compare on and to pack into the bundle, eight at most, in place of "
    "edgecnn's photographs.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line.")
@form_options
@quantise_options
@learn_options
@target_options
@click.option("--opset", type=click.IntRange(18, 23), default=18, show_default=True)
@click.option(
    "--force", is_flag=True, help="Replace a bundle that holds more, or is of another network."
)
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Print what the passes and quantisation did.")
@json_option
@quiet_option
@click.pass_context
def command(
    context: click.Context,
    model: str,
    output: Path | None,
    weights: str | None,
    shape: tuple[int, int, int] | None,
    batch: int | None,
    preprocess: str | None,
    golden: str | None,
    labels: Path | None,
    classes: int | None,
    width: float | None,
    depth: float | None,
    stem: str | None,
    phi: float | None,
    quantising: Quantising,
    learning: Learning,
    targets: TargetChoice,
    opset: int,
    force: bool,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Export MODEL to ONNX, optimise it, prove it equal, and pack it as NAME.edge.

    MODEL is a name from `edgecnn zoo`, a checkpoint that `edgecnn train` wrote,
    package.module:factory or file.py:factory for a network of your own, or an .onnx file. The
    bundle is written only if it answers as the original does, on photographs, at batch 1, 2, 3
    and 7. It replaces one of the same network that holds no more; others only with --force.

    \b
    Examples:
      edgecnn export mobilenet_v2
      edgecnn export mobilenet_v2 --weights my.pth --classes 9 --labels my.txt
      edgecnn export resnet20 --weights cifar10 --quantize int8
      edgecnn export mobilenet_v2 --quantize int8 --target all
      edgecnn export mobilenet_v2 --learn head --optimiser sgd --momentum 0.9
      edgecnn export runs/mobilenet_v2-cifar10/weights.safetensors
      edgecnn export nets.py:build --input 1x3x96x96 --preprocess signed
      edgecnn export network.onnx -o network.edge
    """
    from edgecnn.exporting.plan import ExportOptions, plan
    from edgecnn.model.resolve import OnnxFile, resolve
    from edgecnn.progress_bar import load_torch, waiting
    from edgecnn.results.export import ExportPlanResult, export_network
    from edgecnn.results.printing import print_result

    chosen = targets.targets(is_quantised=quantising.precision is not None)
    form = Form(classes, width, depth, stem, phi)
    quantise = quantising.options()
    with waiting(f"loading {model}", quiet=quiet or as_json):
        network = resolve(model)
    options = ExportOptions(
        network,
        output,
        weights,
        shape,
        batch,
        preprocess,
        labels,
        form,
        opset,
        quiet,
        quantise,
        chosen,
        targets.half,
        _typed(context),
        golden,
        targets.compiled,
        force,
        learning.options(),
        targets.optional,
    )
    planned = plan(options)
    if dry_run:
        print_result(ExportPlanResult(planned), as_json=as_json)
        return
    if not isinstance(network, OnnxFile):
        load_torch(quiet=quiet or as_json)
    result = export_network(planned, is_measured=quantising.is_measured, quiet=quiet or as_json)
    if as_json:  # its document comes last: a report that fails is a document of its own
        _report(result, quantising.report, quiet=True)
    _print(result, verbose=verbose, as_json=as_json, quiet=quiet)
    if not as_json:
        _report(result, quantising.report, quiet=quiet)


def _typed(context: click.Context) -> str:
    """The command line without its output path, and --force, for the provenance."""
    words: list[str] = [word for word in context.obj or () if word != "--force"]
    for flag in ("-o", "--output"):
        if flag in words:
            at = words.index(flag)
            words = words[:at] + words[at + 2 :]
    return shlex.join(["edgecnn", *(w for w in words if not w.startswith("--output="))])


def _print(result: ExportResult, *, verbose: bool, as_json: bool, quiet: bool) -> None:
    from edgecnn.console import note
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.exported import ladder_blocks, left_alone_lines, warning_lines
    from edgecnn.results.printing import print_result

    exported = result.exported
    for line in result.notes:
        note(f"note: {line}", quiet=quiet)
    for line in warning_lines(exported.warnings):
        note(line, quiet=quiet)
    for line in left_alone_lines(exported.left_alone) if verbose else ():
        note(line, quiet=quiet)
    print_result(result, as_json=as_json)
    quantised = exported.quantised
    if not as_json and verbose and quantised is not None and quantised.rungs:
        print_blocks(ladder_blocks(quantised))
        _print_worst(quantised, quiet=quiet)


def _print_worst(quantised: Quantised, *, quiet: bool) -> None:
    """The images and the layers that int8 costs most."""
    from edgecnn.progress_bar import bar
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.exported import worst_blocks

    with bar("look at every layer", quiet=quiet) as progress:
        layers = quantised.worst_layers(progress)
    print_blocks(worst_blocks(quantised, layers))


def _report(result: ExportResult, path: Path | None, *, quiet: bool) -> None:
    """Measure every layer of the 8-bit network, print the worst, and draw them all."""
    quantised = result.exported.quantised
    if path is None or quantised is None:
        return
    from edgecnn.progress_bar import bar
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.exported import layer_blocks
    from edgecnn.report.plots.layers import draw_layers

    with bar("look at every layer", quiet=quiet) as progress:
        before, after = quantised.sensitivity(progress)
    name = result.exported.manifest.name
    draw_layers(before, after, path, f"{name}: what int8 costs, layer by layer")
    if not quiet:
        print_blocks(layer_blocks(before, after, path))
