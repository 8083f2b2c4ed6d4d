"""``edgecnn bundle``: contents of a bundle shown, extracted, or less of them written."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.commands.options import json_option, silent_option


@click.group("bundle", short_help="Show, extract or strip a bundle.")
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
    from edgecnn.console import print_json
    from edgecnn.report.blocks import print_blocks
    from edgecnn.results.bundle_show import show as show_contents

    result = show_contents(file)
    if as_json:
        from dataclasses import asdict

        print_json(result.SCHEMA, asdict(result.document()))
    else:
        print_blocks(result.blocks())
