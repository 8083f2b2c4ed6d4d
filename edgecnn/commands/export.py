"""``edgecnn export``: the main job."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.commands.options import (
    Batch,
    Shape,
    form_options,
    json_option,
    quantise_options,
    quiet_option,
)
from edgecnn.zoo import Form

if TYPE_CHECKING:
    from edgecnn.exporting import Plan
    from edgecnn_exporters.export import Exported
    from edgecnn_exporters.quantise.config import Recipe
    from edgecnn_exporters.quantise.ladder import Quantised

SCHEMA = "edgecnn.export/1"


@click.command("export", short_help="Turn a network into a verified bundle.")
@click.argument("model")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Bundle to write.")
@click.option("--weights", help="Published weights by name, a checkpoint file, or 'random'.")
@click.option("--input", "shape", type=Shape(), help="Input of the network, as 1x3x224x224.")
@click.option("--batch", type=Batch(), default="dynamic", show_default=True, help="Batch size.")
@click.option("--preprocess", help="imagenet, unit, signed, mnist, none, or a .json file.")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line.")
@form_options
@quantise_options
@click.option("--opset", type=click.IntRange(18, 23), default=18, show_default=True)
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Say what each step of quantising did.")
@json_option
@quiet_option
def command(
    model: str,
    output: Path | None,
    weights: str | None,
    shape: tuple[int, int, int] | None,
    batch: int | None,
    preprocess: str | None,
    labels: Path | None,
    classes: int | None,
    width: float | None,
    depth: float | None,
    stem: str | None,
    phi: float | None,
    precision: str | None,
    calibrate: str | None,
    samples: int,
    recipe: Recipe,
    observer: str | None,
    per_tensor: bool,
    weight_bits: str,
    opset: int,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Export MODEL to ONNX, optimise it, prove it equal, and pack it as NAME.edge.

    MODEL is a name from `edgecnn zoo`, a checkpoint that `edgecnn train` wrote,
    package.module:factory for a network of your own, or an .onnx file. The bundle is written only
    if it answers as the original does, on photographs, at batch 1, 2, 3 and 7.

    \b
    Examples:
      edgecnn export mobilenet_v2
      edgecnn export mobilenet_v2 --weights mine.pth --classes 10 --labels names.txt
      edgecnn export resnet20 --weights cifar10 --quantize int8
      edgecnn export runs/mobilenet_v2-cifar10/weights.safetensors
      edgecnn export mypackage.nets:build --input 1x3x96x96 --weights net.pth --preprocess signed
      edgecnn export network.onnx -o network.edge
    """
    from edgecnn.exporting import ExportOptions, plan

    quantise = None
    if precision is not None:
        from edgecnn.calibration import QuantiseOptions
        from edgecnn_exporters.quantise.config import QuantConfig

        config = QuantConfig(recipe, observer, not per_tensor, int(weight_bits))
        quantise = QuantiseOptions(config, calibrate, samples)
    elif calibrate is not None or observer is not None or per_tensor:
        raise click.UsageError("--calibrate, --observer and --per-tensor go with --quantize int8")
    form = Form(classes, width, depth, stem, phi)
    options = ExportOptions(
        model, output, weights, shape, batch, preprocess, labels, form, opset, quiet, quantise
    )
    planned = plan(options)
    if dry_run:
        _print_plan(planned, as_json)
        return
    _run(planned, verbose, as_json, quiet)


def _run(planned: Plan, verbose: bool, as_json: bool, quiet: bool) -> None:
    from edgecnn.exporting import LOAD, run
    from edgecnn.report.console import note, print_json, stages
    from edgecnn_exporters.export import STAGES

    began = time.perf_counter()
    with stages((LOAD, *STAGES), quiet=quiet or as_json) as progress:
        exported, notes = run(planned, progress)
    for line in notes:
        note(f"note: {line}", quiet=quiet)
    if as_json:
        print_json(SCHEMA, _as_json(exported))
    else:
        _print(exported, time.perf_counter() - began)
        if verbose and exported.quantised is not None:
            _print_ladder(exported.quantised)


def _print_plan(planned: Plan, as_json: bool) -> None:
    from edgecnn.report.console import print_json

    if as_json:
        print_json("edgecnn.plan/1", planned.to_json())
        return
    for what, value in planned.to_json().items():
        click.echo(f"{what:<12}{value}")


def _print(exported: Exported, seconds: float) -> None:
    manifest = exported.manifest
    kept = exported.attempts[-1]
    batches = ", ".join(map(str, manifest.provenance["batches"]))
    operators = ", ".join(f"{n} {name}" for name, n in exported.operators.items())
    rows = {
        "network": f"{manifest.name}: {manifest.inputs[0]} → {manifest.outputs[0]}",
        "captured": f"by {kept.exporter}: {kept.outcome}",
        "graph": operators,
        "verified": f"max difference {exported.difference.relative:.1e} of the largest output, "
        f"top-1 equal {exported.difference.top1_agreement:.0%}, photographs at batch {batches}",
        **_quantised_rows(exported),
        "bundle": f"{exported.path} ({exported.size_bytes / 1e6:.1f} MB) in {seconds:.1f} s",
    }
    for what, value in rows.items():
        click.echo(f"{what:<10}{value}")


def _quantised_rows(exported: Exported) -> dict[str, str]:
    """What became of 8 bits, in words."""
    found = exported.quantised
    if found is None:
        return {}
    score = found.score
    rows = {
        "int8": f"SQNR {score.sqnr_db:.1f} dB, top-1 equal {score.top1_agreement:.1%} of "
        f"{found.held_out} held-out samples, calibrated with {found.calibrated}"
    }
    if found.left:
        names = list(found.left)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        rows["float"] = f"{', '.join(names[:3])}{more}: {found.left[names[0]]}"
    return rows


def _print_ladder(found: Quantised) -> None:
    from edgecnn.report.console import stdout, table

    columns = ("SQNR before", "after")
    shown = table(("step", "", *columns, "what it did"), right=columns)
    for rung in found.rungs:
        after = "" if rung.after is None else f"{rung.after.sqnr_db:.2f} dB"
        kept = "kept" if rung.is_kept else "left out"
        shown.add_row(rung.name, kept, f"{rung.before.sqnr_db:.2f} dB", after, rung.note)
    click.echo()
    stdout().print(shown)


def _as_json(exported: Exported) -> dict[str, Any]:
    return {
        "bundle": str(exported.path),
        "size_bytes": exported.size_bytes,
        "name": exported.manifest.name,
        "inputs": [asdict(spec) for spec in exported.manifest.inputs],
        "outputs": [asdict(spec) for spec in exported.manifest.outputs],
        "operators": dict(exported.operators),
        "difference": asdict(exported.difference),
        "provenance": exported.manifest.provenance,
    }
