"""Tables of ``edgecnn export``: facts of the bundle, steps of quantising, sensitive layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.console import table
from edgecnn.report.blocks import Block, Labelled

if TYPE_CHECKING:
    from edgecnn.exporting.speed import Speed
    from edgecnn_exporters.exported import Exported
    from edgecnn_exporters.passes.rewrite import LeftAlone
    from edgecnn_exporters.quantise.ladder import Quantised
    from edgecnn_exporters.quantise.steps.sensitivity import Sensitivity
    from edgecnn_runtime.manifest import Manifest

# Names in one line; the others are counted.
NAMED = 3
# Rows of the table of layers.
WORST = 10
WORST_SAMPLES = 5


def exported_blocks(exported: Exported, speed: Speed | None, seconds: float) -> list[Block]:
    """Facts of an export, one a line."""
    return [Labelled(tuple(_facts(exported, speed, seconds).items()), 10)]


def _facts(exported: Exported, speed: Speed | None, seconds: float) -> dict[str, str]:
    manifest = exported.manifest
    kept = exported.attempts[-1]
    batches = ", ".join(map(str, manifest.provenance["batches"]))
    operators = ", ".join(f"{n} {name}" for name, n in exported.operators.items())
    rows = {
        "network": f"{manifest.name}: {manifest.inputs[0]} → {manifest.outputs[0]}",
        "captured": f"by {kept.exporter}: {kept.outcome}",
        "graph": operators,
        "verified": f"max difference {exported.difference.relative:.1e} of the {_scale(exported)}, "
        f"top-1 equal {exported.difference.top1_agreement:.0%}, photographs at batch {batches}",
    }
    if exported.quantised is not None:
        rows |= _quantised(exported.quantised)
    rows |= _targets(exported)
    rows |= _compiled(manifest)
    rows |= _learns(manifest)
    if accuracy := manifest.provenance.get("accuracy"):
        rows["accuracy"] = (
            f"top-1 {accuracy['fp32']:.2%} in fp32, {accuracy['int8']:.2%} in int8, same class for "
            f"{accuracy['agreement']:.2%} of {accuracy['images']:,} images of {accuracy['data']}"
        )
    if speed is not None:
        rows["speed"] = speed.words()
    size = f"{exported.size_bytes / 1e6:.1f} MB"
    return rows | {"bundle": f"{exported.path} ({size}) in {seconds:.1f} s"}


def _scale(exported: Exported) -> str:
    """What the largest difference is a share of."""
    worst = max(exported.difference.groups, key=lambda group: group.relative)
    return f"spread of {worst.name}" if len(exported.difference.groups) > 1 else "output's spread"


def _of(group: str) -> str:
    """The worst group in brackets; empty where there is one alone."""
    return f" ({group})" if group else ""


def _targets(exported: Exported) -> dict[str, str]:
    """A row for each target: its precisions, what is in them, and what to know of them."""
    rows: dict[str, str] = {}
    for name in dict.fromkeys(each.target.name for each in exported.translated):
        own = [each for each in exported.translated if each.target.name == name]
        rows[name] = ", ".join(each.artefact.precision for each in own)
        if own[0].operators:
            counts = ", ".join(str(sum(each.operators.values())) for each in own)
            rows[name] += f": {counts} operators"
        if name == "tflite":
            transposes = sum(each.operators.get("TRANSPOSE", 0) for each in own)
            rows[name] += f", {transposes} TRANSPOSE"
        if own[0].batch is not None:
            rows[name] += f", batch fixed at {own[0].batch}"
        if name == "tflite":
            rows[name] += _eight_bit_results(exported.manifest)
        weak = [a.path for a in exported.manifest.artefacts if a.is_weak]
        if any(each.artefact.path in weak for each in own):
            rows[name] += "; int8 is weak"
        if own[0].target.proof != "measured":
            rows[name] += f", {own[0].target.proof}"
        for note in dict.fromkeys(note for each in own for note in each.notes):
            rows[name] += f"; {note}"
    return rows


def _compiled(manifest: Manifest) -> dict[str, str]:
    """A row for the targets that the bundle was compiled for."""
    lines = [
        f"{one.target} by {one.compiler}, {one.proof}, "
        f"{sum(one.on_cpu.values())} operators on the CPU"
        for one in manifest.artefacts
        if one.target is not None
    ]
    return {"compiled": "; ".join(lines)} if lines else {}


def _learns(manifest: Manifest) -> dict[str, str]:
    """A row for what a device may learn."""
    training = manifest.training
    if training is None:
        return {}
    count = sum(prod(extent or 1 for extent in spec.shape) for spec in manifest.parameters)
    named = [spec.name for spec in manifest.parameters]
    layers = list(dict.fromkeys(name.rpartition(".")[0] or name for name in named))
    more = f" and {len(layers) - 1} more layers" if len(layers) > 1 else ""
    backbone = "int8" if training.backbone == "int8" else "float"
    return {
        "learns": f"{layers[-1]}{more} ({count:,} parameters) by {training.optimiser}, "
        f"{backbone} backbone, {training.graph}{_step_memory(manifest)}"
    }


def _step_memory(manifest: Manifest) -> str:
    """Memory of a step of learning, where the export has limited it."""
    memory = manifest.provenance.get("learning", {}).get("memory")
    if memory is None:
        return ""
    return (
        f"; {memory['memory_mb']:.0f} MB a step of {memory['batch']}, "
        f"{memory['kept_activations']} of {memory['activations']} activations kept"
    )


def _eight_bit_results(manifest: Manifest) -> str:
    """What results of 8 bits cost on the golden examples; empty where no file has them."""
    own = {one.format: one for one in manifest.artefacts if one.precision == "int8"}
    onnx, tflite = own.get("onnx"), own.get("tflite")
    if onnx is None or tflite is None or not tflite.encodings:
        return ""
    before, after = (min(map(min, one.sqnr_db.values())) for one in (onnx, tflite))
    return f"; results in 8 bits: {after:.1f} dB, as float {before:.1f} (golden examples)"


def _quantised(quantised: Quantised) -> dict[str, str]:
    score, held_out = quantised.reported, quantised.held_out
    calibrated = f"calibrated with {quantised.calibrated or 'batch normalisation alone'}"
    decided = f"{held_out} decided between {quantised.candidates} candidates"
    samples = f"{held_out} held-out samples"
    if quantised.fresh is not None:
        samples, calibrated = f"{len(score.sample_db)} fresh samples", f"{decided}, {calibrated}"
    if quantised.is_trained:
        calibrated = "scales from training"
    rows = {
        "int8": f"SQNR {score.sqnr_db:.1f} dB{_of(score.worst)}, "
        f"top-1 equal {score.top1_agreement:.1%} of {samples}, {calibrated}"
    }
    for reason in dict.fromkeys(quantised.left.values()):
        names = [name for name, why in quantised.left.items() if why == reason]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        line = f"{', '.join(names[:NAMED])}{more}: {reason}"
        rows["float"] = f"{rows['float']}; {line}" if "float" in rows else line
    return rows


def warning_lines(warnings: Sequence[str]) -> list[str]:
    """Warnings of outputs that prove little."""
    return [f"warning: {warning}" for warning in warnings]


def left_alone_lines(left: Sequence[LeftAlone]) -> list[str]:
    """The nodes that graph passes refused; those of one pass and one reason are one entry."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in left:
        groups.setdefault((each.by, each.reason), []).append(each.node)
    return [
        f"left alone: {_first_of(nodes)}: {reason} ({by})" for (by, reason), nodes in groups.items()
    ]


def _first_of(nodes: list[str]) -> str:
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    return f"{nodes[0]}{more}"


def ladder_blocks(quantised: Quantised) -> list[Block]:
    """Every step of quantising, and whether it was kept; below a blank line."""
    figures, did = ("SQNR before", "after"), ("what it did",)
    shown = table(("step", "", *figures, *did), right=figures, drop=did, below=did)
    for rung in quantised.rungs:
        after = "" if rung.after is None else f"{rung.after.judged_db:.2f} dB"
        kept = "–" if rung.after is None else "kept" if rung.is_kept else "left out"
        shown.add_row(rung.name, kept, f"{rung.before.judged_db:.2f} dB", after, rung.note)
    return ["", shown]


def worst_blocks(quantised: Quantised, layers: Sequence[Sensitivity]) -> list[Block]:
    """The SQNR of a sample in the mean, of the worst by name, and of the worst layers alone."""
    score = quantised.reported
    samples = ", ".join(
        f"{name} {db:.1f} dB" for name, db in quantised.worst_samples(WORST_SAMPLES)
    )
    worst = ", ".join(f"{row.node} ({row.operator}) {row.isolated_db:.1f} dB" for row in layers)
    return [
        "",
        f"a typical sample has {score.typical_db:.1f} dB; the worst of {len(score.sample_db)}: "
        f"{samples}",
        f"the layers that cost most, each alone in 8 bits: {worst}",
    ]


def layer_blocks(before: list[Sensitivity], after: list[Sensitivity], drawn: Path) -> list[Block]:
    """The most sensitive layers before the ladder and after it, and the file that draws all."""
    columns = ("alone before", "after", "up to here before", "after ")
    shown = table(("layer", "operator", *columns), right=columns, drop=("operator",))
    was = {row.node: row for row in before}
    for row in sorted(after, key=lambda each: each.isolated_db)[:WORST]:
        old = was.get(row.node)
        shown.add_row(
            row.node,
            row.operator,
            _decibels(old.isolated_db if old else None),
            _decibels(row.isolated_db),
            _decibels(old.cumulative_db if old else None),
            _decibels(row.cumulative_db),
        )
    return ["", shown, "", f"all layers are drawn in {drawn}"]


def _decibels(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} dB" if math.isfinite(value) else "equal"
