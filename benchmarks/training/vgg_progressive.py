"""VGG-11 → 13 → 16 → 19 with and without beginning from the shallower network.

Simonyan and Zisserman 2015, section 3.1, without batch norm as in the paper. Three ways, each with
as many epochs a network: every network from fresh weights; each from the one before it (the chain);
and VGG-19 from fresh weights with as many epochs as the whole chain, because the chain's shallower
networks cost images as well.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.training.shared import (
    TEST_IMAGES,
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
from edgecnn.report.plots.network import COLOURS, GREY
from edgecnn.train.dataset import Dataset
from edgecnn.train.initialise import copy_shallower
from edgecnn.train.progressive import LAYERS
from edgecnn.train.recipe import RECIPES, Recipe
from edgecnn.zoo.vgg import vgg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BENCHMARK = "training/vgg_progressive"
WIDTH = 0.125
# At the family's 0.05 VGG-19 of this width learns nothing from fresh weights (seed 0: the loss
# stays at ln 10), which would flatter the chain.
RECIPE = replace(RECIPES["VGG"], batch_size=32, learning_rate=0.02)
DEEPEST = LAYERS[-1]
CHAIN, FRESH = "from the shallower network", "from fresh weights"
COLOUR = {CHAIN: COLOURS[0], FRESH: COLOURS[4]}


@dataclass(frozen=True)
class Way:
    """Networks trained one after the other, each from the one before.

    Attributes:
        layers: of each network.
        epochs: of each network.
    """

    layers: tuple[int, ...]
    epochs: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4, help="of each network")
    parser.add_argument("--images", type=int, default=2500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot-only", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(RECIPE.threads)
    dataset = None if arguments.plot_only else part_of_cifar10(arguments.images)
    results: dict[Way, list[Result]] = {}
    for seed in range(arguments.seeds):
        for way in ways(arguments.epochs):
            recipe = replace(RECIPE, epochs=way.epochs, seed=seed)
            configuration = {
                "way": asdict(way),
                "width": WIDTH,
                "images": arguments.images,
                "test_images": TEST_IMAGES,
                "recipe": recipe.to_json(),
            }
            if dataset is None:
                result = find(BENCHMARK, configuration)
            else:
                print(f"{way} seed {seed}", file=sys.stderr, flush=True)
                run = functools.partial(train_way, way, recipe, dataset)
                result = once(BENCHMARK, configuration, run)
            if result is None:
                print(f"not trained yet: {way} seed {seed}", file=sys.stderr)
            else:
                results.setdefault(way, []).append(result)
    if not results:
        sys.exit("nothing is trained with these settings; leave out --plot-only")
    print_table(results, arguments.epochs, arguments.images)
    draw(results, arguments.epochs, arguments.images)


def chain(epochs: int) -> Way:
    """Every network from the one before."""
    return Way(LAYERS, epochs)


def longer(epochs: int) -> Way:
    """The deepest from fresh weights, with as many epochs as the whole chain."""
    return Way((DEEPEST,), epochs * len(LAYERS))


def ways(epochs: int) -> list[Way]:
    """The ways to train. The chain's first network has fresh weights and serves both sides."""
    return [chain(epochs), *(Way((layers,), epochs) for layers in LAYERS[1:]), longer(epochs)]


def train_way(way: Way, recipe: Recipe, dataset: Dataset) -> Result:
    """Train the networks of a way, one after the other."""
    torch.manual_seed(recipe.seed)
    stages = []
    weights: Mapping[str, torch.Tensor] | None = None
    for layers in way.layers:
        network = vgg(layers, width=WIDTH, stem="small", classes=10)
        if weights is not None:
            copy_shallower(network, weights)
        epochs = [epoch_json(row) for row in fit(network, recipe, dataset)]
        stages.append({"layers": layers, "epochs": epochs})
        weights = network.state_dict()
    return {"stages": stages}


def print_table(results: Mapping[Way, Sequence[Result]], epochs: int, images: int) -> None:
    """Training loss and test accuracy at the end of each network, every seed."""
    print(f"after the last epoch, every seed (test n = {TEST_IMAGES}, 95 % intervals)")
    head = ("network", "begins", "images seen", "training loss", "test accuracy")
    print("  {:<9}{:<28}{:>11}  {:<24}{}".format(*head))
    for layers in LAYERS:
        for begins in (FRESH, CHAIN):
            # The chain counts the images of the networks before this one.
            seen = images * epochs * (LAYERS.index(layers) + 1 if begins == CHAIN else 1)
            _print_row(layers, begins, seen, _stage(results, layers, begins, epochs))
    long = _last_stages(results.get(longer(epochs), ()))
    _print_row(DEEPEST, FRESH, images * epochs * len(LAYERS), long)


def draw(results: Mapping[Way, Sequence[Result]], epochs: int, images: int) -> None:
    """``docs/images/vgg_progressive.png``: network by network, and at equal total images."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    upper = figure.add_subfigure(figure.add_gridspec(2, 1)[0])
    lower = figure.add_subfigure(figure.add_gridspec(2, 1)[1])
    deeper = LAYERS[1:]
    for panel, layers in zip(upper.subplots(1, len(deeper), sharey=True), deeper, strict=True):
        for begins in (FRESH, CHAIN):
            _curves(panel, _stage(results, layers, begins, epochs), begins, label=begins)
        panel.set(title=f"VGG-{layers}, its own {epochs} epochs", xlabel="epoch")
        if layers == deeper[0]:
            panel.set_ylabel("training loss (nats)")
            panel.legend(frameon=False)
    whole = lower.subplots()
    for offset, layers in enumerate(LAYERS):
        # The chain's first network has fresh weights, yet is part of its cost.
        stages = _chain_stages(results, layers, epochs)
        _curves(whole, stages, CHAIN, begin=offset * epochs, label="" if offset else "the chain")
        whole.axvline(offset * epochs + 0.5, color=GREY, linewidth=0.8, linestyle=":")
        whole.annotate(
            f"VGG-{layers}",
            (offset * epochs + 0.6, 1),
            (0, -12),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=COLOUR[CHAIN],
        )
    long = _last_stages(results.get(longer(epochs), ()))
    _curves(whole, long, FRESH, label=f"VGG-{DEEPEST} {FRESH}")
    # Room for the networks' names above the curves.
    whole.margins(y=0.15)
    whole.legend(frameon=False, loc="lower left")
    whole.set(
        title=f"VGG-{DEEPEST} at equal total images: the chain's {len(LAYERS)} × {epochs} epochs "
        f"against {len(LAYERS) * epochs} from fresh weights",
        xlabel="epoch, those of every network counted",
        xlim=(0.5, len(LAYERS) * epochs + 0.5),
        ylabel="training loss (nats)",
    )
    seeds = max(map(len, results.values()))
    figure.suptitle(
        f"VGG × {WIDTH:g} without batch norm, {images:,} CIFAR-10 images an epoch; "
        f"{seeds} seeds (thin) and their mean"
    )
    save(figure, "vgg_progressive.png")


def _curves(
    panel: Axes, stages: Sequence[Result], begins: str, *, label: str, begin: int = 0
) -> None:
    """Every seed thin, their mean thick."""
    if not stages:
        return
    losses = np.array([[row["loss"] for row in stage["epochs"]] for stage in stages])
    epochs = np.arange(1, losses.shape[1] + 1) + begin
    panel.plot(epochs, losses.T, color=COLOUR[begins], linewidth=0.7, alpha=0.6)
    panel.plot(
        epochs,
        losses.mean(0),
        ".-",
        color=COLOUR[begins],
        linewidth=2,
        label=label,
    )
    panel.locator_params(axis="x", integer=True)
    tidy(panel)


def _stage(
    results: Mapping[Way, Sequence[Result]], layers: int, begins: str, epochs: int
) -> list[Result]:
    """The training of one network in every seed; the shallowest is never from another."""
    if begins == CHAIN:
        return [] if layers == LAYERS[0] else _chain_stages(results, layers, epochs)
    if layers == LAYERS[0]:
        return _chain_stages(results, layers, epochs)
    return _last_stages(results.get(Way((layers,), epochs), ()))


def _chain_stages(
    results: Mapping[Way, Sequence[Result]], layers: int, epochs: int
) -> list[Result]:
    index = LAYERS.index(layers)
    return [result["stages"][index] for result in results.get(chain(epochs), ())]


def _last_stages(results: Sequence[Result]) -> list[Result]:
    return [result["stages"][-1] for result in results]


def _print_row(layers: int, begins: str, seen: int, stages: Sequence[Result]) -> None:
    if not stages:
        return
    last: list[dict[str, Any]] = [stage["epochs"][-1] for stage in stages]
    losses = ", ".join(f"{row['loss']:.3f}" for row in last)
    words = accuracy_words([row["test"] for row in last])
    print(f"  VGG-{layers:<5}{begins:<28}{seen:>11,}  {losses:<24}{words}")


if __name__ == "__main__":
    main()
