"""Figures of networks as tables of at most 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgecnn.console import table
from edgecnn.documents.zoo import plain
from edgecnn.model.weights import names_of
from edgecnn.report.blocks import Block, Labelled
from edgecnn.zoo import FAMILIES, Family
from edgecnn.zoo.figures import Figures

if TYPE_CHECKING:
    from edgecnn.model.describe import Described
    from edgecnn.text_table import TextTable
    from edgecnn.zoo.analysis.stages import ResolutionStage
    from edgecnn.zoo.analysis.summary import Summary

LEGEND = (
    "memory: most activations alive at once, in fp32, at batch 1.",
    "field, stride, centre: input pixels that a feature sees, between two neighbours, "
    "and in the middle of what the first feature sees.",
)
COMPARISON_LEGEND = (
    "×: multiple of the first network's. field: pixels that the last features see.",
    "memory: most activations alive at once, in fp32, at batch 1.",
)


def scaled(number: float) -> str:
    """25557032 → "25.6 M": three digits and the prefix that fits."""
    prefix, factor = prefix_of(number)
    return f"{_three_digits(number / factor)} {prefix}" if prefix else f"{number:g}"


def prefix_of(number: float) -> tuple[str, float]:
    """The prefix that leaves one to three digits before the point, and its factor."""
    for prefix, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * factor:
            return prefix, factor
    return "", 1.0


def _three_digits(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}"


def zoo_blocks(figures: Mapping[str, Figures]) -> list[Block]:
    """One row a family of networks."""
    hint = "weights: of at least one network of the row. edgecnn zoo NAME says of which."
    return [_family_table(figures), "", hint]


def network_blocks(described: Described) -> list[Block]:
    """Facts of one network, and its stages."""
    lines = Labelled(tuple(_facts(described)), 17)
    return [lines, "", _stage_table(described.summary), "", *LEGEND]


def comparison_blocks(networks: Sequence[Described]) -> list[Block]:
    """One row a network."""
    return [_comparison_table(networks), "", *COMPARISON_LEGEND]


def _family_table(figures: Mapping[str, Figures]) -> TextTable:
    """One row a family: its networks as a shell's braces write them, and their ranges."""
    right = ("parameters", "MACs")
    shown = table(
        ("year", "networks", *right, "weights"),
        right=right,
        drop=("weights",),
        below=("weights",),
        is_dense=True,
    )
    for family in FAMILIES:
        known = [figures[a.name] for a in family.architectures if a.name in figures]
        shown.add_row(
            str(family.year),
            " ".join(_braces(family)),
            _range(one.parameters for one in known),
            _range(one.macs for one in known),
            ", ".join(_names_of_weights(family)) or "–",
        )
    return shown


def _braces(family: Family) -> list[str]:
    """``vgg{11,13}``: names that differ in one number, at one size of input."""
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for architecture in family.architectures:
        parts = re.fullmatch(r"(.*?)(\d+)(\D*)", architecture.name)
        before, number, after = parts.groups() if parts else (architecture.name, "", "")
        groups.setdefault((before, after, architecture.input[1] < 64), []).append(number)
    return [f"{before}{_join(numbers)}{after}" for (before, after, _), numbers in groups.items()]


def _join(numbers: list[str]) -> str:
    if len(numbers) == 1:
        return numbers[0]
    first, last = int(numbers[0]), int(numbers[-1])
    if len(numbers) > 2 and numbers == [str(n) for n in range(first, last + 1)]:
        return f"{{{first}..{last}}}"
    return f"{{{','.join(numbers)}}}"


def _range(values: Iterable[int]) -> str:
    """Two digits or whole numbers, in the unit of the larger: "0.27–60 M"."""
    ordered = sorted(values)
    if not ordered:
        return "–"
    prefix, factor = prefix_of(ordered[-1])
    low, high = (
        f"{value / factor:.{2 if value < 99.5 * factor else 3}g}"
        for value in (ordered[0], ordered[-1])
    )
    return f"{high if low == high else f'{low}–{high}'} {prefix}"


def _names_of_weights(family: Family) -> list[str]:
    """Of all its networks together, each name once."""
    names = [name for architecture in family.architectures for name in names_of(architecture)]
    return list(dict.fromkeys(names))


def _stage_table(summary: Summary) -> TextTable:
    """One row a stage."""
    columns = ("stage", "output", "layers", "width", "params", "MACs", "memory")
    places = ("field", "stride", "centre")
    numbers = (*columns[2:], *places)
    makes_room = ("centre", "stride", "width", "layers")
    shown = table((*columns, *places), right=numbers, drop=makes_room, is_dense=True)
    for stage in summary.stages:
        shown.add_row(
            stage.name,
            "×".join(map(str, stage.output)),
            str(stage.layers),
            str(stage.width),
            scaled(stage.parameters),
            scaled(stage.macs),
            f"{scaled(stage.peak_bytes)}B",
            *_placed(stage),
        )
    return shown


def _placed(stage: ResolutionStage) -> tuple[str, str, str]:
    if stage.place is None:
        return "all", "", ""
    rows, columns = stage.place.rows, stage.place.columns
    pairs = (
        (rows.size, columns.size),
        (rows.stride, columns.stride),
        (rows.centre, columns.centre),
    )
    field, stride, centre = (
        str(plain(high)) if high == wide else f"{plain(high)}×{plain(wide)}" for high, wide in pairs
    )
    return field, stride, centre


def _comparison_table(networks: Sequence[Described]) -> TextTable:
    """One row a network; parameters and MACs also as multiples of the first one's."""
    right = ("input", "depth", "width", "parameters", "MACs", "memory", "field")
    makes_room = ("memory", "width", "input")
    shown = table(("network", *right), right=right, drop=makes_room, is_dense=True)
    first = networks[0].summary
    for described in networks:
        summary = described.summary
        is_first = summary is first
        shown.add_row(
            described.name,
            "×".join(map(str, summary.input)),
            str(summary.depth),
            str(summary.width),
            _against(summary.parameters, first.parameters, is_first),
            _against(summary.macs, first.macs, is_first),
            f"{scaled(summary.peak_activation_bytes)}B",
            str(summary.receptive_field),
        )
    return shown


def _against(value: int, reference: int, is_first: bool) -> str:
    ratio = "" if is_first or not reference else f" ×{_three_digits(value / reference)}"
    return f"{scaled(value)}{ratio:>6}"


def _facts(described: Described) -> list[tuple[str, str]]:
    """Facts of one network above its stage table, as pairs of name and value."""
    summary, architecture = described.summary, described.architecture
    classes = f", {described.classes} classes" if described.classes else ""
    gate = "; its gates see the whole image" if summary.is_gated else ""
    busiest = max(summary.stages, key=lambda stage: stage.peak_bytes)
    where = "the head" if busiest.place is None else f"stage {busiest.name}"
    rows = [
        ("input", "×".join(map(str, (1, *summary.input))) + classes),
        ("depth", f"{summary.depth} weighted layers on the longest path, {summary.layers} in all"),
        ("width", f"{summary.width} channels"),
        ("parameters", f"{summary.parameters:,}, {scaled(4 * summary.parameters)}B in fp32"),
        ("MACs", f"{summary.macs:,}"),
        ("activations", f"{scaled(summary.peak_activation_bytes)}B at most, in {where}"),
        ("receptive field", f"{summary.receptive_field} px, one every {summary.stride} px{gate}"),
    ]
    if architecture is None:
        return rows
    weights = ", ".join(names_of(architecture)) or "none; pass --weights FILE to export"
    options = " ".join(f"--{option}" for option in architecture.options)
    paper = ("paper", architecture.paper)
    return [paper, *rows, ("weights", weights), ("options", options)]
