"""Plots of networks: MACs and parameters by stage, and the growth of the receptive field."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.report.network_tables import prefix_of, scaled
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.file_kind import other_than_file
from edgecnn_runtime.install_hint import install_hint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edgecnn.model.describe import Described
    from edgecnn.zoo.analysis.stages import ResolutionStage

# Okabe and Ito 2008, "Color Universal Design": told apart by every kind of colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#999999")
COUNTED_IN = {"G": "billions", "M": "millions", "k": "thousands", "": "number"}
GREY = "#595959"
FORMATS = frozenset({".png", ".svg", ".pdf"})
# Beyond this many networks the colours run out.
MOST = len(COLOURS)
# Beyond this many their names are no title.
FEW = 4
LEGEND_COLUMNS = 2
# Receptive fields further apart than this are drawn on a logarithmic axis.
LOGARITHMIC_FROM = 12


def check_plot(path: Path, networks: int) -> None:
    """Check that a plot can be drawn, before anything is counted.

    Raises:
        EdgeCNNError: matplotlib is not installed, the file's format is not known, its folder is
            not there, or there are more networks than colours.
    """
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise EdgeCNNError(f"cannot draw to {path}: its name should end in one of {known}")
    kind = other_than_file(path)
    if kind is not None:
        raise EdgeCNNError(f"cannot draw to {path}: it is {kind}; name another file")
    if not path.parent.is_dir():
        raise EdgeCNNError(f"cannot draw to {path}: there is no folder {path.parent}")
    if networks > MOST:
        raise EdgeCNNError(f"cannot draw {networks} networks: at most {MOST} can be told apart")
    try:
        importlib.import_module("matplotlib")
    except ModuleNotFoundError as error:
        raise EdgeCNNError(
            f"--plot draws with matplotlib, which is not installed; {install_hint('plot')}"
        ) from error


def draw(networks: Sequence[Described], path: Path) -> None:
    """Write a figure of three panels: MACs and parameters by stage, receptive field by depth.

    Raises:
        OutputNotWritable: the file cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = -(-(len(networks) + 1) // LEGEND_COLUMNS)
    with mpl.rc_context(_STYLE):
        figure, panels = plt.subplot_mosaic(
            [["macs", "parameters"], ["field", "field"]],
            figsize=(10, 7.4 + (0.26 * rows if len(networks) > 1 else 0)),
            layout="constrained",
            height_ratios=(1, 1.15),
        )
        _bars(panels["macs"], networks, "macs", "Cost of each stage", "MACs")
        _bars(panels["parameters"], networks, "parameters", "Weights of each stage", "parameters")
        _growth(panels["field"], networks)
        if len(networks) > 1:
            # Below, where no curve can run through it.
            figure.legend(loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize=10)
        figure.suptitle(_title(networks), x=0.01, ha="left", fontsize=15, fontweight="bold")
        content = io.BytesIO()
        try:
            figure.savefig(content, format=path.suffix.lstrip("."), dpi=144)
        finally:
            plt.close(figure)
    with replace_file(path) as stream:
        stream.write(content.getbuffer())


_STYLE: dict[Any, Any] = {
    "figure.constrained_layout.h_pad": 0.12,
    "figure.constrained_layout.w_pad": 0.08,
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
}


def _title(networks: Sequence[Described]) -> str:
    if len(networks) > FEW:
        return f"{len(networks)} networks compared"
    if len(networks) > 1:
        return ", ".join(described.name for described in networks)
    size = "×".join(map(str, networks[0].summary.input))
    return f"{_in_short(networks[0])}, on {size}"


def _in_short(described: Described) -> str:
    summary = described.summary
    return f"{described.name}: {scaled(summary.macs)}MACs, {scaled(summary.parameters)} parameters"


def _bars(axes: Axes, networks: Sequence[Described], what: str, title: str, unit: str) -> None:
    """Bars of one figure, grouped by how much smaller than the input a stage's maps are."""
    groups = _groups(networks)
    thick = 0.8 / len(networks)
    totals = [_totals(described, what, groups) for described in networks]
    prefix, factor = prefix_of(max(max(row.values()) for row in totals))
    for index, row in enumerate(totals):
        offset = (index - (len(networks) - 1) / 2) * thick
        where = [groups.index(group) + offset for group in row]
        heights = [value / factor for value in row.values()]
        drawn = axes.bar(where, heights, thick * 0.9, color=COLOURS[index])
        if len(networks) == 1:
            labels = [scaled(value) for value in row.values()]
            axes.bar_label(drawn, labels, padding=2, color=GREY, fontsize=9.5)
    axes.set_xticks(range(len(groups)), [_label(group, networks) for group in groups])
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.1)
    axes.set_title(title)
    axes.set_ylabel(f"{unit}, {COUNTED_IN[prefix]}")
    alone = len(networks) == 1
    axes.set_xlabel(f"stage, by {'the size' if alone else 'the stride in pixels'} of its maps")


def _totals(
    described: Described, what: str, groups: Sequence[ResolutionGroup]
) -> dict[ResolutionGroup, int]:
    """The figure by group; where a decoder comes back to a resolution, both stages together."""
    totals: dict[ResolutionGroup, int] = {}
    for stage in described.summary.stages:
        totals[_group(stage)] = totals.get(_group(stage), 0) + getattr(stage, what)
    return {group: totals[group] for group in groups if group in totals}


def _growth(axes: Axes, networks: Sequence[Described]) -> None:
    """Steps up to the last feature map, with the side of the image for comparison."""
    sides = {max(described.summary.input[1:]) for described in networks}
    for described, colour in zip(networks, COLOURS, strict=False):
        growth = described.summary.growth
        label = f"{_in_short(described)}, {growth[-1]} px"
        axes.step(
            range(len(growth)), growth, where="post", color=colour, linewidth=2.2, label=label
        )
        axes.plot(len(growth) - 1, growth[-1], "o", color=colour, markersize=6)
        side = max(described.summary.input[1:])
        axes.axhline(side, color=GREY if len(sides) == 1 else colour, **_DASHED)
    if len(sides) > 1:
        axes.plot([], [], color=GREY, label="side of the image", **_DASHED)
    else:
        _note(axes, f"side of the image, {side} px", (0, side), (4, 3), GREY)
    if len(networks) == 1:
        _note(axes, f"{growth[-1]} px", (len(growth) - 1, growth[-1]), (7, -4), COLOURS[0])
    axes.set_title("Receptive field")
    axes.set_xlabel("weighted layers passed, on the longest path")
    axes.set_ylabel("pixels of the input along a side")
    _scale(axes, networks)


def _scale(axes: Axes, networks: Sequence[Described]) -> None:
    """Linear from the origin, or logarithmic where one network would vanish beside another."""
    ends = [described.summary.growth[-1] for described in networks]
    depths = [len(described.summary.growth) - 1 for described in networks]
    axes.set_xlim(0, 1.07 * max(1, *depths))
    axes.set_ylim(bottom=0)
    if max(ends) > LOGARITHMIC_FROM * min(ends):
        axes.set_yscale("log", base=2)
        axes.set_ylim(1, 2 * max(ends))
        axes.yaxis.set_major_formatter("{x:g}")
    if max(depths) > LOGARITHMIC_FROM * min(depths):
        axes.set_xscale("symlog", base=2, linthresh=4)
        axes.xaxis.set_major_formatter("{x:g}")


def _note(
    axes: Axes, text: str, at: tuple[float, float], shift: tuple[float, float], colour: str
) -> None:
    axes.annotate(text, at, xytext=shift, textcoords="offset points", color=colour, fontsize=9.5)


_DASHED: dict[str, Any] = {"linewidth": 1.1, "linestyle": (0, (4, 3))}

# Pixels of the input between two features of a stage; None for the head.
ResolutionGroup = Fraction | None


def _groups(networks: Sequence[Described]) -> list[ResolutionGroup]:
    groups = {_group(stage) for one in networks for stage in one.summary.stages}
    strides: list[ResolutionGroup] = [*sorted(group for group in groups if group is not None)]
    return [*strides, None] if None in groups else strides


def _group(stage: ResolutionStage) -> ResolutionGroup:
    """Pixels of the input between two features of the stage; None in the head."""
    return None if stage.place is None else max(stage.place.strides)


def _label(group: ResolutionGroup, networks: Sequence[Described]) -> str:
    if group is None:
        return "head"
    if len(networks) > 1:
        return f"{float(group):g}"
    stage = next(s for s in networks[0].summary.stages if _group(s) == group)
    height, width = stage.output[-2:]
    return str(height) if height == width else f"{height}×{width}"
