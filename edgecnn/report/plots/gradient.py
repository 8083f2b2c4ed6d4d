"""Picture of a layer's gradient: a convolution's three equations, or a pooling's windows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.backpropagation.gradient import ConvolutionGradient, LayerGradient
from edgecnn.documents.gradient import GradientDocument
from edgecnn.report.gradient_tables import (
    drawn_words,
    layer_words,
    loss_words,
    network_words,
    weights_words,
)
from edgecnn.report.plots.convolution_panels import convolution_equations
from edgecnn.report.plots.equation import STAR, Equation
from edgecnn.report.plots.heat_map import COLOURS, SOFT, draw_heat_map
from edgecnn.report.plots.pooling_panels import pooling_equations
from edgecnn.report.plots.text import literal
from edgecnn_runtime.atomic import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

# 1200 pixels wide.
WIDTH, DPI = 10.0, 120
ROW, HEAD, FOOT = 3.15, 1.05, 0.5
LEGEND = (
    "Each panel has its own scale, as written below it. Grey: zeros of padding, stride and "
    "dilation. Channels count from 0."
)


def draw(gradient: LayerGradient, facts: GradientDocument, path: Path) -> None:
    """Write the figure: one equation a row, its terms as panels.

    Raises:
        OutputNotWritable: the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if isinstance(gradient, ConvolutionGradient):
        equations = convolution_equations(gradient)
    else:
        equations = pooling_equations(gradient)
    heights = [HEAD, *[ROW] * len(equations), FOOT]
    layout = ConstrainedLayoutEngine(w_pad=0.1, wspace=0.0)
    figure = Figure(figsize=(WIDTH, sum(heights)), layout=layout)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    head, *rows, foot = parts
    _draw_head(head, facts)
    for part, equation in zip(rows, equations, strict=True):
        _draw_equation(part, equation)
    _draw_scale(figure, foot)
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.lstrip(".").lower(), dpi=DPI)
    with replace_file(path) as stream:
        stream.write(content.getbuffer())


def _draw_head(part: SubFigure, facts: GradientDocument) -> None:
    """What was differentiated, for which image and loss, and which channels are drawn."""
    layer = facts.layer
    title = f"{layer.kind.capitalize()} {layer.layer} of {network_words(facts)}"
    part.text(0.01, 0.9, literal(title), fontsize=13, fontweight="bold", va="top")
    lines = (
        f"{layer_words(layer)}; {weights_words(facts)}",
        f"image {Path(facts.image).name}; {loss_words(facts.loss)}",
        f"drawn: {drawn_words(facts)}",
    )
    for at, line in zip((0.6, 0.38, 0.16), lines, strict=True):
        part.text(0.01, at, literal(line), fontsize=9.5, color=SOFT, va="top")


def _draw_equation(part: SubFigure, equation: Equation) -> None:
    """Panels in a row, their operators between them."""
    ratios = [1.0, *[ratio for _ in equation.panels[1:] for ratio in (0.16, 1.0)]]
    axes = part.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    part.suptitle(equation.heading, x=0.01, ha="left", fontsize=11.5)
    for place, panel in enumerate(equation.panels):
        if isinstance(panel, str):
            axes[2 * place].axis("off")
            axes[2 * place].text(0.0, 0.5, panel, va="center", fontsize=9.5, linespacing=1.6)
        else:
            draw_heat_map(axes[2 * place], panel)
    for place, operator in enumerate(equation.operators):
        between = axes[2 * place + 1]
        between.axis("off")
        size = 30 if operator == STAR else 18
        between.text(0.5, 0.5, operator, ha="center", va="center", fontsize=size)


def _draw_scale(figure: Figure, foot: SubFigure) -> None:
    """The colours from the least to the greatest value, and what grey is."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = foot.add_axes((0.05, 0.42, 0.2, 0.28))
    mapped = ScalarMappable(Normalize(-1, 1), COLOURS)
    bar = figure.colorbar(mapped, cax=axes, orientation="horizontal", ticks=[-1, 0, 1])
    bar.set_ticklabels(["−", "0", "+"], fontsize=9)
    foot.text(0.28, 0.55, LEGEND, fontsize=8.5, color=SOFT, va="center")
