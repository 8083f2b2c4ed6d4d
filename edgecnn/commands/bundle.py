"""``edgecnn bundle``: contents of a bundle shown, extracted, or less of them written."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.command_group import NearestGroup
from edgecnn.commands.bench_options import Names
from edgecnn.commands.options import json_option, silent_option


@click.group("bundle", cls=NearestGroup, short_help="Show, extract or strip a bundle.")
def command() -> None:
    """Look into a bundle, take artefacts out of it, or leave out what production does not need.

    \b
    Examples:
      edgecnn bundle show mobilenet_v2.edge
      edgecnn bundle extract mobilenet_v2.edge model.int8.tflite -o app/
      edgecnn bundle strip mobilenet_v2.edge -o app.edge --keep model.int8.tflite
    """


@command.command("show", short_help="Show what is in a bundle or a model file.")
@click.argument("file", type=click.Path(path_type=Path), metavar="BUNDLE")
@json_option
@silent_option
def show(file: Path, as_json: bool) -> None:
    """Show what is in BUNDLE: artefacts, proof, preprocessing, labels, golden examples, origin.

    An .onnx or .tflite file is shown as it is: inputs, outputs, operators, weights. No engine
    opens the file.

    \b
    Examples:
      edgecnn bundle show mobilenet_v2.edge
      edgecnn bundle show model.onnx --json
    """
    from edgecnn.results.bundle import show_bundle
    from edgecnn.results.printing import print_result

    print_result(show_bundle(file), as_json=as_json)


@command.command("extract", short_help="Write artefacts, labels and preprocessing into a folder.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("artefact", required=False)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder to write; new or empty.",
)
@click.option("--force", is_flag=True, help="DIR may hold files; those of the same names go.")
@json_option
@silent_option
def extract(bundle: Path, artefact: str | None, folder: Path, force: bool, as_json: bool) -> None:
    """Write ARTEFACT of BUNDLE, or all of them, into a folder with all that an app needs.

    Beside it are the labels, and the preprocessing as JSON and as code for numpy, OpenCV, C++,
    Kotlin and JavaScript. README.txt says how the artefact is fed and read. ARTEFACT is a path
    that `edgecnn bundle show` lists, or a target that it was compiled for.

    \b
    Examples:
      edgecnn bundle extract mobilenet_v2.edge -o parts/
      edgecnn bundle extract mobilenet_v2.edge model.int8.tflite -o assets/
    """
    from edgecnn.results.bundle import extract_bundle
    from edgecnn.results.printing import print_result

    print_result(extract_bundle(bundle, folder, artefact, force=force), as_json=as_json)


@command.command("strip", short_help="Write a bundle for production, with less in it.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="OUT.edge", help="Bundle to write."
)
@click.option("--in-place", is_flag=True, help="Replace BUNDLE itself.")
@click.option(
    "--keep",
    type=Names(),
    default="",
    metavar="ARTEFACT[,…]",
    help="Keep only these artefacts; the training graph where it is one of them.",
)
@click.option("--precision", "precisions", type=Names(), default="", help="Keep only these.")
@click.option(
    "--target", "targets", type=Names(), default="", help="Keep only these formats or targets."
)
@click.option("--keep-golden", is_flag=True, help="Keep golden examples and step.")
@click.option("--force", is_flag=True, help="Replace an OUT.edge with golden examples.")
@json_option
@silent_option
def strip(
    bundle: Path,
    output: Path | None,
    in_place: bool,
    keep: tuple[str, ...],
    precisions: tuple[str, ...],
    targets: tuple[str, ...],
    keep_golden: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write BUNDLE without its golden examples, and without artefacts that production does not use.

    Labels and preprocessing always stay. The new bundle records the digest of BUNDLE; its answers
    are verified with `edgecnn verify BUNDLE --against OUT.edge`. An app that has BUNDLE open keeps
    reading what it opened.

    \b
    Examples:
      edgecnn bundle strip mobilenet_v2.edge -o app.edge
      edgecnn bundle strip mobilenet_v2.edge -o app.edge --keep model.int8.tflite
      edgecnn bundle strip mobilenet_v2.edge --in-place --precision int8
    """
    from edgecnn.bundles.strip import StripOptions
    from edgecnn.results.bundle import strip_bundle
    from edgecnn.results.printing import print_result

    if in_place == (output is not None):
        raise click.UsageError("name the bundle to write with -o OUT.edge, or say --in-place")
    options = StripOptions(keep, precisions, targets, keep_golden=keep_golden, force=force)
    print_result(strip_bundle(bundle, output, options), as_json=as_json)
