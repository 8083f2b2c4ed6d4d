"""Parameters, multiply-accumulates and receptive fields against what others published."""

from __future__ import annotations

import functools
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgecnn.zoo import ARCHITECTURES
from edgecnn.zoo.analysis.summary import Summary, summarise
from edgecnn.zoo.figures import Figures, read_figures
from edgecnn.zoo.resnet import Bottleneck

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
SLOW = {"resnet1202"}


def networks(names: list[str]) -> list[Any]:
    return [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in names]


@functools.cache
def summary(name: str) -> Summary:
    with torch.device("meta"):
        network = ARCHITECTURES[name].build()
    return summarise(network, ARCHITECTURES[name].input)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            marks=pytest.mark.slow if row["name"] in SLOW else (),
            id=f"{row['name']}-{row['source'].partition(',')[0]}",
        )
        for row in PUBLISHED["counts"]
    ],
)
def test_parameters_and_macs_are_the_published_ones(row: dict[str, Any]) -> None:
    found = summary(row["name"])
    if row["parameters"] is not None:
        assert abs(found.parameters - row["parameters"]) <= row["parameters_within"]
    if row["macs"] is not None:
        assert abs(found.macs - row["macs"]) <= row["macs_within"]


@pytest.mark.parametrize("row", PUBLISHED["receptive_fields"], ids=lambda row: row["name"])
def test_receptive_fields_are_the_published_ones(row: dict[str, Any]) -> None:
    growth = summary(row["name"]).growth
    assert [growth[layers] for layers in row["layers"]] == row["pixels"]
    assert summary(row["name"]).receptive_field == row["pixels"][-1]


@pytest.mark.parametrize(
    ("repeats", "fields"),
    [((3, 4, 6, 3), (35, 99, 291, 483)), ((3, 4, 23, 3), (35, 99, 835, 1027))],
)
def test_resnet_as_in_tf_slim_has_the_published_fields(
    repeats: tuple[int, ...], fields: tuple[int, ...]
) -> None:
    """Araujo et al. 2019 count TF-Slim's resnet_v1_50 and _101, and pad 241 and 513 pixels.

    Their stride is in the last block of a stage; ours, as in the paper and torchvision, is in the
    first, which makes 427 pixels of ResNet-50's 483.
    """
    body: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, padding=3), nn.MaxPool2d(3, 2, padding=1)]
    channels = [64, 64]
    for stage, count in enumerate(repeats):
        for index in range(count):
            stride = 2 if index == count - 1 and stage < len(repeats) - 1 else 1
            around = nn.Conv2d(channels[-1], 256, 1, stride)
            body.append(Bottleneck(channels[-1], 64, stride, around))
            channels.append(256)
    with torch.device("meta"):
        network = nn.Sequential(*body)
    found = summarise(network.to("meta"), (3, 321, 321))
    # A stage of ours ends before the stride, one of TF-Slim's with it: three layers on.
    layers = [1 + 3 * sum(repeats[: stage + 1]) for stage in range(len(repeats))]
    assert tuple(found.growth[layer] for layer in layers) == fields
    place = found.stages[-1].place
    assert place is not None
    assert (-place.rows.first, found.stride) == ((fields[-1] - 1) // 2, 32)


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("alexnet", 8),
        ("vgg16", 16),
        ("vgg19", 19),
        ("googlenet", 22),
        ("resnet18", 18),
        ("resnet50", 50),
        ("resnet152", 152),
        ("resnet8", 8),
        ("resnet110", 110),
        ("densenet121", 121),
        ("densenet161", 161),
        ("densenet40", 40),
        ("densenet100_bc", 100),
        ("mobilenet_v1", 28),
    ],
)
def test_the_depth_is_the_one_in_the_name_or_the_paper(name: str, depth: int) -> None:
    assert summary(name).depth == depth


@pytest.mark.parametrize("name", networks(list(ARCHITECTURES)))
def test_the_kept_figures_are_those_of_the_network(name: str) -> None:
    found = summary(name)
    kept = read_figures().get(name)
    assert kept == Figures(found.parameters, found.macs, found.depth, found.receptive_field), (
        "python -m edgecnn.zoo.figures writes them anew"
    )


def test_figures_are_kept_of_no_other_network() -> None:
    assert list(read_figures()) == list(ARCHITECTURES)


def test_stages_add_up_to_the_network() -> None:
    found = summary("googlenet")
    assert sum(stage.macs for stage in found.stages) == found.macs
    assert sum(stage.layers for stage in found.stages) == found.layers == 58
    # Table 1: 112, 56, 28, 14 and 7 pixels, then the classifier.
    assert [stage.output[-1] for stage in found.stages] == [112, 56, 28, 14, 7, 1000]
    fields = [stage.place.size for stage in found.stages if stage.place]
    assert all(low < high for low, high in pairwise(fields))
