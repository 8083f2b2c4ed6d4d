"""Depth, width and resolution, alone and together, at about equal multiply-adds.

Every network is trained on the same images by the same recipe, scaled down to the side that it
reads; kept are the loss and the accuracy of every epoch.
"""

from __future__ import annotations

import argparse
import functools
import math
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch

from benchmarks.training.scaled_networks import BASE, COMPOUND, NETWORKS, Scaled
from benchmarks.training.shared import (
    Result,
    accuracy_words,
    epoch_json,
    find,
    fit,
    once,
    part_of_cifar10,
    save,
    tidy,
)
from edgecnn.report.plots.network import COLOURS
from edgecnn.train.dataset import Dataset
from edgecnn.train.recipe import Recipe
from edgecnn.zoo.analysis.summary import Summary, summarise

BENCHMARK = "training/compound_scaling"
RECIPE = Recipe(warmup_epochs=0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--test-images", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no training after; run it again"
    )
    parser.add_argument("--plot-only", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    end = 0 if arguments.plot_only else time.monotonic() + 60 * arguments.minutes
    torch.set_num_threads(RECIPE.threads)
    results: dict[str, list[Result]] = {}
    for seed in arguments.seeds:
        for name, network in NETWORKS.items():
            recipe = replace(RECIPE, epochs=arguments.epochs, seed=seed)
            counts = (arguments.images, arguments.test_images)
            result = _trained(network, recipe, counts, is_new=time.monotonic() < end)
            if result is None:
                print(f"not trained yet: {name} seed {seed}", file=sys.stderr)
            else:
                results.setdefault(name, []).append(result)
    if not results:
        sys.exit("nothing is trained with these settings; leave out --plot-only")
    print("\n".join(table(results)))
    draw(results)


def _trained(
    network: Scaled, recipe: Recipe, counts: tuple[int, int], *, is_new: bool
) -> Result | None:
    """A training's result, kept or made; None where it is not kept and shall not be made."""
    images, test_images = counts
    configuration = {
        "network": asdict(network),
        "images": images,
        "test_images": test_images,
        "recipe": recipe.to_json(),
    }
    if not is_new:
        return find(BENCHMARK, configuration)
    print(f"{network} seed {recipe.seed}", file=sys.stderr, flush=True)

    def run() -> Result:
        return train_one(network, recipe, _images(images, test_images, network.shape))

    return once(BENCHMARK, configuration, run)


@functools.cache
def _images(images: int, test_images: int, shape: tuple[int, int, int]) -> Dataset:
    return part_of_cifar10(images, test_images, shape)


def train_one(network: Scaled, recipe: Recipe, dataset: Dataset) -> Result:
    """Train one network from weights that its seed decides."""
    torch.manual_seed(recipe.seed)
    epochs = fit(network.build(), recipe, dataset)
    return {"epochs": [epoch_json(row, len(dataset.test)) for row in epochs]}


def figures(network: Scaled) -> Summary:
    """The zoo's own count of layers, parameters and multiply-adds."""
    return summarise(network.build().eval(), network.shape)


def table(results: Mapping[str, Sequence[Result]]) -> list[str]:
    """Lines of a Markdown table: factors, figures, each seed's accuracy after the last epoch."""
    base = figures(BASE).macs
    lines = [
        "| scaled | depth, width, resolution | layers | side | parameters | MACs "
        "| test accuracy | mean |",
        "|---|---|---:|---:|---:|---|---|---:|",
    ]
    for name, runs in results.items():
        network = NETWORKS[name]
        counted = figures(network)
        factors = ", ".join(f"{factor:.2f}" for factor in network.factors())
        tests = [run["epochs"][-1]["test"] for run in runs]
        lines.append(
            f"| {name} | {factors} | {counted.depth} | {network.side} | {counted.parameters:,} "
            f"| {counted.macs / 1e6:.2f} M, {counted.macs / base:.2f} × | {accuracy_words(tests)} "
            f"| {100 * mean_accuracy(runs):.1f} % |"
        )
    return lines


def mean_accuracy(runs: Sequence[Result]) -> float:
    """Mean over the seeds of the accuracy after the last epoch, 0 to 1."""
    return statistics.mean(float(run["epochs"][-1]["test_accuracy"]) for run in runs)


def draw(results: Mapping[str, Sequence[Result]]) -> None:
    """``docs/images/compound_scaling.png``: a row a network, a point with its interval a seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 4.2), layout="constrained")
    panel = figure.subplots()
    for row, (name, runs) in enumerate(results.items()):
        colour = COLOURS[4] if name == COMPOUND else COLOURS[7] if name == "base" else COLOURS[0]
        places = row + 0.16 * (np.arange(len(runs)) - (len(runs) - 1) / 2)
        accuracy = np.array([run["epochs"][-1]["test_accuracy"] for run in runs])
        bounds = np.array([run["epochs"][-1]["test"]["interval"] for run in runs])
        spread = np.abs(bounds - accuracy[:, None]).T
        panel.errorbar(
            100 * accuracy, places, xerr=100 * spread, fmt="o", color=colour, markersize=4, lw=1
        )
        panel.plot([100 * accuracy.mean()] * 2, [row - 0.32, row + 0.32], color=colour, lw=2)
    labels = [f"{name}  ({_factor_words(NETWORKS[name])})" for name in results]
    panel.set_yticks(range(len(labels)), labels)
    panel.invert_yaxis()
    settings = next(iter(results.values()))[0]["configuration"]
    panel.set(
        xlabel="test accuracy (%): each seed with its 95 % interval, and their mean",
        title=f"{settings['recipe']['epochs']} epochs of {settings['images']:,} CIFAR-10 images; "
        "all but the base have 4 × its MACs",
    )
    tidy(panel)
    save(figure, "compound_scaling.png")


def _factor_words(network: Scaled) -> str:
    return " ".join(f"{n}{x:.2g}" for n, x in zip("dwr", network.factors(), strict=True))


if __name__ == "__main__":
    main()
