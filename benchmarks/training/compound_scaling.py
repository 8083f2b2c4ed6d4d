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
from typing import Any

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


EPOCHS, IMAGES, TEST_IMAGES, SEEDS = 4, 50_000, 10_000, (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NETWORKS, help="networks to train; all")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--test-images", type=int, default=TEST_IMAGES)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no training after; run it again"
    )
    parser.add_argument("--plot-only", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    end = 0 if arguments.plot_only else time.monotonic() + 60 * arguments.minutes
    torch.set_num_threads(RECIPE.threads)
    settings = (arguments.epochs, arguments.images, arguments.test_images)
    for seed in arguments.seeds:
        for name in arguments.names:
            if time.monotonic() < end:
                print(f"{name} seed {seed}", file=sys.stderr, flush=True)
                wanted = configuration(NETWORKS[name], seed, *settings)
                run = functools.partial(train_one, NETWORKS[name], seed, *settings)
                once(BENCHMARK, wanted, run)
    results = kept(arguments.seeds, *settings)
    if not results:
        sys.exit("nothing is trained with these settings; leave out --plot-only")
    print("\n".join(table(results)))
    draw(results)


def configuration(
    network: Scaled, seed: int, epochs: int, images: int, test_images: int
) -> dict[str, Any]:
    """What decides a training's result, as a line of results holds it."""
    return {
        "network": asdict(network),
        "images": images,
        "test_images": test_images,
        "recipe": replace(RECIPE, epochs=epochs, seed=seed).to_json(),
    }


def kept(
    seeds: Sequence[int] = SEEDS,
    epochs: int = EPOCHS,
    images: int = IMAGES,
    test_images: int = TEST_IMAGES,
) -> dict[str, list[Result]]:
    """Results that are there, by the name of the network; every seed that was trained."""
    results: dict[str, list[Result]] = {}
    for seed in seeds:
        for name, network in NETWORKS.items():
            result = find(BENCHMARK, configuration(network, seed, epochs, images, test_images))
            if result is not None:
                results.setdefault(name, []).append(result)
    return results


def train_one(network: Scaled, seed: int, epochs: int, images: int, test_images: int) -> Result:
    """Train one network from weights that its seed decides."""
    recipe = replace(RECIPE, epochs=epochs, seed=seed)
    torch.manual_seed(seed)
    history = fit(network.build(), recipe, _images(images, test_images, network.shape))
    return {"epochs": [epoch_json(row, test_images) for row in history]}


@functools.cache
def _images(images: int, test_images: int, shape: tuple[int, int, int]) -> Dataset:
    return part_of_cifar10(images, test_images, shape)


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
    panel.set_xlabel("test accuracy (%): each seed with its 95 % interval, and their mean")
    figure.suptitle(
        f"{settings['recipe']['epochs']} epochs of {settings['images']:,} CIFAR-10 images; "
        "all but the base have 4 × its MACs"
    )
    tidy(panel)
    save(figure, "compound_scaling.png")


def _factor_words(network: Scaled) -> str:
    return " ".join(f"{n}{x:.2g}" for n, x in zip("dwr", network.factors(), strict=True))


if __name__ == "__main__":
    main()
