"""Effective receptive field of trained networks beside the theoretical one.

Luo et al. 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks", sections 2 and 3: the gradient of a map's centre unit with respect to the input, and its
size, the pixels whose gradient is more than 1 - 95.45 % of the largest. There all channels of the
unit have a gradient of 1; here each has +1 or -1 at random and squares are averaged: they do not
cancel each other. The images are photographs, larger than the theoretical field.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import edgecnn
from benchmarks.interleave import RESULTS, keep
from benchmarks.runtime.blocks import alive, photographs
from benchmarks.training.shared import save
from edgecnn.report.plots.network import COLOURS
from edgecnn.zoo.analysis.summary import summarise
from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BENCHMARK = "training/effective_field"
# The last module of each stage of the analysis, by the network's name.
STAGES = {
    "resnet20": ("layer1", "layer2", "layer3"),
    "mobilenet_v1": ("features.3", "features.5", "features.11", "features.13"),
    "googlenet": ("conv3", "inception3b", "inception4e", "inception5b"),
}
SIDE, IMAGES = 128, 24
# Two standard deviations of a Gaussian hold 95.45 % (section 3.1).
LEVEL = 1 - 0.9545
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot-only", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.plot_only:
        for name in STAGES:
            print(name, file=sys.stderr, flush=True)
            for row in measure(name, photographs(SIDE)[:IMAGES]):
                keep(BENCHMARK, row)
    rows = newest()
    print("\n".join(table(rows)))
    draw(rows)


def measure(name: str, images: Float32) -> list[Row]:
    """A row for each stage of the network, trained on CIFAR-10 and with fresh weights."""
    trained = edgecnn.load_network(name, weights="cifar10")
    networks = {"trained": trained, "fresh": fresh(trained, images)}
    stages = summarise(trained, (3, SIDE, SIDE)).stages
    rows = []
    for module, stage in zip(STAGES[name], stages, strict=False):
        assert stage.place is not None
        row: Row = {"what": "field", "network": name, "module": module, "images": len(images)}
        row["theoretical"] = int(stage.place.size)
        for weights, network in networks.items():
            gradients = centre_gradients(network, network.get_submodule(module), images)
            amplitude = root_mean_square(gradients.random)
            shown = amplitude / amplitude.max()
            row[weights] = {
                "effective": round(effective_side(amplitude), 2),
                "effective_mean": round(effective_side(mean_size(gradients.ones)), 2),
                "seen": seen_side(amplitude),
                "permille": np.rint(1000 * _around(shown, int(stage.place.size))).astype(int),
            }
            row[weights]["permille"] = row[weights]["permille"].tolist()
        rows.append(row)
    return rows


def fresh(trained: nn.Module, images: Float32) -> nn.Module:
    """The network with weights by He's rule, and batch norms that fit the images."""
    torch.manual_seed(0)
    network = copy.deepcopy(trained)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    return alive(network, images)


@dataclass(frozen=True)
class CentreGradients:
    """Gradient of a map's centre unit with respect to each image, (images, 3, height, width).

    Attributes:
        random: each channel of the unit has +1 or -1 at random.
        ones: each has 1, as in the paper.
    """

    random: Float32
    ones: Float32


def centre_gradients(network: nn.Module, module: nn.Module, images: Float32) -> CentreGradients:
    """The gradients of what `module` answers while the network runs, eight images at a time."""
    torch.manual_seed(0)
    parts: tuple[list[Float32], list[Float32]] = ([], [])
    for begin in range(0, len(images), 8):
        maps: list[torch.Tensor] = []
        hook = module.register_forward_hook(lambda _module, _inputs, output: maps.append(output))  # noqa: B023
        x = torch.from_numpy(images[begin : begin + 8]).requires_grad_()
        network(x)
        hook.remove()
        row, column = (extent // 2 for extent in maps[0].shape[2:])
        signs = torch.randn(maps[0].shape[:2]).sign()
        for values, part in zip((signs, torch.ones_like(signs)), parts, strict=True):
            signal = torch.zeros_like(maps[0])
            signal[:, :, row, column] = values
            (gradient,) = torch.autograd.grad(maps[0], x, signal, retain_graph=True)
            part.append(gradient.numpy())
    return CentreGradients(*map(np.concatenate, parts))


def root_mean_square(gradients: Float32) -> Float32:
    """Over images, of all colours together: (height, width)."""
    amplitude: Float32 = np.sqrt(np.square(gradients).sum(1).mean(0))
    return amplitude


def mean_size(gradients: Float32) -> Float32:
    """Size of the mean over images, of all colours together, as in the paper: (height, width)."""
    size: Float32 = np.abs(gradients.mean(0)).sum(0)
    return size


def effective_side(amplitude: Float32) -> float:
    """Side of a square of as many pixels as have more than `LEVEL` of the largest gradient."""
    return float(np.sqrt(np.count_nonzero(amplitude > LEVEL * amplitude.max())))


def seen_side(amplitude: Float32) -> int:
    """Longer side of the box around all pixels whose gradient is not 0."""
    rows, columns = np.nonzero(amplitude)
    return int(max(np.ptp(rows), np.ptp(columns))) + 1


def _around(amplitude: Float32, side: int) -> Float32:
    """The part of about `side` pixels square that has the gradient."""
    rows, columns = np.nonzero(amplitude)
    top, left = int(rows.min()), int(columns.min())
    return amplitude[top : top + side, left : left + side]


def newest() -> list[Row]:
    """The newest line of each stage, in the order of `STAGES`."""
    lines = (RESULTS / f"{BENCHMARK}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {(row["network"], row["module"]): row for row in map(json.loads, lines)}
    return [rows[name, module] for name, modules in STAGES.items() for module in modules]


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of a Markdown table: a row a stage."""
    lines = [
        "| network | map after | theoretical | effective, fresh | effective, trained "
        "| share of the area, trained | of the mean: fresh, trained |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        side, weights = row["theoretical"], (row["fresh"], row["trained"])
        sides = [each["effective"] for each in weights]
        means = ", ".join(f"{each['effective_mean']:.1f}" for each in weights)
        lines.append(
            f"| {row['network']} | `{row['module']}` | {side} px | {sides[0]:.1f} px "
            f"| {sides[1]:.1f} px | {(sides[1] / side) ** 2:.0%} | {means} px |"
        )
    return lines


def draw(rows: Sequence[Row]) -> None:
    """``docs/images/effective_field.png``: the last map of each network, fresh and trained."""
    from matplotlib.figure import Figure

    last = {row["network"]: row for row in rows}
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    panels = figure.subplots(2, len(last))
    for column, (name, row) in enumerate(last.items()):
        for line, weights in enumerate(("fresh", "trained")):
            _panel(panels[line, column], row, weights)
        panels[0, column].set_title(f"{name}: {row['theoretical']} px in theory", fontsize=10)
    figure.suptitle(
        "Gradient of the last map's centre over the theoretical field; line: effective field"
    )
    save(figure, "effective_field.png")


def _panel(panel: Axes, row: Mapping[str, Any], weights: str) -> None:
    amplitude = np.asarray(row[weights]["permille"]) / 1000
    # Of squares the far pixels would vanish: the root is shown.
    panel.imshow(np.sqrt(amplitude), cmap="Greys", vmin=0, vmax=1)
    panel.contour(amplitude, [LEVEL], colors=[COLOURS[4]], linewidths=0.9)
    panel.set_xlabel(f"{weights}: {row[weights]['effective']:.0f} px effective", fontsize=9)
    panel.set_xticks([])
    panel.set_yticks([])


if __name__ == "__main__":
    main()
