"""Plain against residual networks of several depths and widths, on the same budget.

Every network sees the same number of images by the same recipe. Kept are the loss and the test
accuracy of each epoch, and the norm of each convolution's gradient: at initialisation, over the
first steps of each epoch (before clipping), and after the last epoch.

Batch norm holds the signal of these networks (He et al. 2016, section 4.1), so the deepest ones are
trained without it as well, from He's initialisation and from PyTorch's own.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.training.gradient_norms import GradientNorms, gradient_norms
from benchmarks.training.plain_and_residual import (
    BATCH_NORM,
    DEEPEST,
    DEPTH,
    DEPTHS,
    SHORTCUTS,
    STARTS,
    WIDTH,
    WIDTHS,
    Network,
    networks,
)
from benchmarks.training.shared import (
    TEST_IMAGES,
    Result,
    accuracy_words,
    find,
    fit,
    once,
    part_of_cifar10,
    save,
    tidy,
)
from edgecnn.errors import LossDiverged
from edgecnn.report.plots.network import GREY
from edgecnn.train.dataset import Dataset
from edgecnn.train.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BENCHMARK = "training/depth_width"
RECIPE = Recipe(batch_size=32, learning_rate=0.05, warmup_epochs=0.5)
# Without batch norm gradients are of any size: small steps, and no longer ones for large gradients.
GENTLE = replace(RECIPE, learning_rate=0.01, clip=1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=3200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--plot-only", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(RECIPE.threads)
    results = []
    dataset = None if arguments.plot_only else part_of_cifar10(arguments.images)
    for network, seed in networks(arguments.seeds):
        recipe = replace(
            RECIPE if network.start == BATCH_NORM else GENTLE,
            epochs=arguments.epochs,
            seed=seed,
        )
        configuration = {
            "network": asdict(network),
            "images": arguments.images,
            "test_images": TEST_IMAGES,
            "recipe": recipe.to_json(),
        }
        if dataset is None:
            result = find(BENCHMARK, configuration)
        else:
            print(f"{network} seed {seed}", file=sys.stderr, flush=True)
            run = functools.partial(train_one, network, recipe, dataset)
            result = once(BENCHMARK, configuration, run)
        if result is None:
            print(f"not trained yet: {network} seed {seed}", file=sys.stderr)
        else:
            results.append(result)
    if not results:
        sys.exit("nothing is trained with these settings; leave out --plot-only")
    print_table(results)
    draw_accuracy(results)
    draw_gradients(results)


def train_one(network: Network, recipe: Recipe, dataset: Dataset) -> Result:
    """Train, and measure gradients before and after."""
    torch.manual_seed(recipe.seed)
    built = network.build()
    result: Result = {"initial_gradient_norms": gradient_norms(built, dataset, recipe.batch_size)}
    observer = GradientNorms(built)
    try:
        fit(built, recipe, dataset, observer)
    except LossDiverged as error:
        return result | {"epochs": observer.epochs, "diverged": str(error)}
    final = gradient_norms(built, dataset, recipe.batch_size)
    return result | {"epochs": observer.epochs, "final_gradient_norms": final}


def print_table(results: Sequence[Result]) -> None:
    """Accuracy of every seed after the last epoch, with its Wilson interval."""
    print(f"test accuracy, every seed with its 95 % interval (n = {TEST_IMAGES} images each)")
    shown: dict[Network, list[Result]] = {}
    for result in results:
        shown.setdefault(Network(**result["configuration"]["network"]), []).append(result)
    for network, runs in shown.items():
        tests = [run["epochs"][-1]["test"] for run in runs if "diverged" not in run]
        words = accuracy_words(tests) + "".join(", diverged" for r in runs if "diverged" in r)
        kind = SHORTCUTS[network.shortcut][0]
        print(f"  {kind:<9}{network.layers:>3} ×{network.width:<5g}{network.start:<18}{words}")


def draw_accuracy(results: Sequence[Result]) -> None:
    """``docs/images/depth_width_accuracy.png``: against depth, and against width."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for panel, axis, fixed, value in (
        (left, "layers", "width", WIDTH),
        (right, "width", "layers", DEPTH),
    ):
        chosen = _select(results, start=BATCH_NORM, **{fixed: value})
        _accuracy_panel(panel, [run for run in chosen if "diverged" not in run], axis)
    left.set(title=f"width × {WIDTH:g}", xlabel="layers", ylabel="test accuracy (%)")
    left.set_xticks(DEPTHS)
    right.set(title=f"{DEPTH} layers", xlabel="width (× the paper's channels)", xscale="log")
    right.set_xticks(WIDTHS, [f"{width:g}" for width in WIDTHS])
    right.minorticks_off()
    right.legend(frameon=False, loc="lower right")
    figure.suptitle(f"{_budget(results)}; {_seeds(_select(results, start=BATCH_NORM))}")
    save(figure, "depth_width_accuracy.png")


def draw_gradients(results: Sequence[Result]) -> None:
    """``docs/images/depth_width_gradients.png``: by layer of the deepest, before and after."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.4), layout="constrained")
    panels = figure.subplots(2, len(STARTS), sharex=True, sharey="col")
    for column, (start, title) in enumerate(STARTS.items()):
        chosen = _select(results, layers=DEEPEST, width=WIDTH, start=start)
        for row, (key, when) in enumerate(
            (
                ("initial_gradient_norms", "at initialisation"),
                ("final_gradient_norms", "after the last epoch"),
            )
        ):
            panel: Axes = panels[row, column]
            _gradient_panel(panel, [run for run in chosen if key in run], key)
            if row == 0:
                panel.set_title(f"{title} ({_seeds(chosen)})", fontsize=10)
            if column == 0:
                panel.set_ylabel(f"{when}\nnorm of the gradient")
            if row == 1:
                panel.set_xlabel("convolution, from input to output")
    panels[0, 0].legend(frameon=False)
    figure.suptitle(f"{DEEPEST} layers, width × {WIDTH:g}; {_budget(results)}")
    save(figure, "depth_width_gradients.png")


def _accuracy_panel(panel: Axes, results: Sequence[Result], axis: str) -> None:
    for shortcut, (name, colour, marker) in SHORTCUTS.items():
        runs = _select(results, shortcut=shortcut)
        places = np.array([run["configuration"]["network"][axis] for run in runs])
        accuracy = np.array([100 * run["epochs"][-1]["test_accuracy"] for run in runs])
        panel.plot(places, accuracy, marker, color=colour, alpha=0.7, label=f"{name}, each seed")
        distinct = np.unique(places)
        means = [accuracy[places == place].mean() for place in distinct]
        panel.plot(distinct, means, color=colour, label=f"{name}, mean")
    tidy(panel)


def _gradient_panel(panel: Axes, results: Sequence[Result], key: str) -> None:
    labelled = set()
    for result in results:
        network = result["configuration"]["network"]
        name, colour, _ = SHORTCUTS[network["shortcut"]]
        norms = np.array(result[key])
        # A logarithm has no place for 0.
        shown = np.where(norms > 0, norms, np.nan)
        label = None if name in labelled else name
        labelled.add(name)
        panel.plot(range(1, len(norms) + 1), shown, color=colour, linewidth=1.3, label=label)
    # Conv 1, then three stages of equal length: the resolution halves at each line.
    stage = (DEEPEST - 2) / 3
    for border in (1.5 + stage, 1.5 + 2 * stage):
        panel.axvline(border, color=GREY, linewidth=0.8, linestyle=":")
    panel.set_yscale("log")
    tidy(panel)


def _select(results: Sequence[Result], **fields: float | str) -> list[Result]:
    """Those of networks with these fields."""
    return [
        result for result in results if fields.items() <= result["configuration"]["network"].items()
    ]


def _budget(results: Sequence[Result]) -> str:
    settings: dict[str, Any] = results[0]["configuration"]
    epochs = settings["recipe"]["epochs"]
    return f"{epochs} epochs of {settings['images']:,} CIFAR-10 images, {TEST_IMAGES:,} for testing"


def _seeds(results: Sequence[Result]) -> str:
    """How many seeds a network has: "2 seeds", or "1–2 seeds" where a run was cut off."""
    networks = [Network(**result["configuration"]["network"]) for result in results]
    counts = Counter(networks).values()
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}–{high} seeds" if low < high else f"{high} seed{'s' if high != 1 else ''}"


if __name__ == "__main__":
    main()
