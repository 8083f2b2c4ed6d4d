"""The state dicts of the zoo against torchvision's, so that every published checkpoint loads.

`make_torchvision_keys.py` wrote the other side from torchvision's own networks, and says in which
form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from pathlib import Path

import pytest
import torch

from edgecnn.zoo import ARCHITECTURES

KEYS = Path(__file__).with_name("torchvision_keys.json")
PUBLISHED: dict[str, dict[str, str]] = json.loads(KEYS.read_text(encoding="utf-8"))

Entry = tuple[str, tuple[int, ...]]


def expand(modules: dict[str, str]) -> Iterator[Entry]:
    """Every key with its shape, in order."""
    for module, form in modules.items():
        if form.startswith("bn "):
            channels = (int(form.removeprefix("bn ")),)
            for key in ("weight", "bias", "running_mean", "running_var"):
                yield f"{module}.{key}", channels
            yield f"{module}.num_batches_tracked", ()
        else:
            extents, _, bias = form.partition(" ")
            shape = tuple(map(int, extents.split("x")))
            yield f"{module}.weight", shape
            if bias:
                yield f"{module}.bias", shape[:1]


@pytest.mark.parametrize("name", PUBLISHED)
def test_keys_shapes_and_order_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        own = ARCHITECTURES[name].build(classes=1000).state_dict()
    assert [(key, tuple(value.shape)) for key, value in own.items()] == list(
        expand(PUBLISHED[name])
    )


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # "Parameters" in torchvision's documentation of the weights of each.
        ("alexnet", 61_100_840),
        ("vgg16_bn", 138_365_992),
        ("resnet50", 25_557_032),
        ("densenet161", 28_681_000),
        ("mobilenet_v2", 3_504_872),
        ("mobilenet_v3_large", 5_483_032),
        ("efficientnet_b7", 66_347_960),
    ],
)
def test_the_golden_file_holds_as_many_parameters_as_torchvision_says(
    name: str, parameters: int
) -> None:
    assert _count(PUBLISHED[name]) == parameters


def test_only_googlenets_auxiliary_classifiers_are_beside_its_documented_parameters() -> None:
    modules = PUBLISHED["googlenet"]
    auxiliary = {key: form for key, form in modules.items() if key.startswith("aux")}
    assert _count(modules) - _count(auxiliary) == 6_624_904


def _count(modules: dict[str, str]) -> int:
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    return sum(prod(shape) for key, shape in expand(modules) if not key.endswith(statistics))
