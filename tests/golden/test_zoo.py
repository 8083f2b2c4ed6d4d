"""The zoo against what was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.zoo import ARCHITECTURES
from edgecnn.zoo.analysis.summary import summarise

KEYS = Path(__file__).with_name("mobilenet_v2.state_dict.txt")


def test_mobilenet_v2_has_the_keys_and_shapes_of_torchvision() -> None:
    published = [line for line in KEYS.read_text().splitlines() if not line.startswith("#")]
    own = [
        f"{key} {'x'.join(map(str, value.shape))}"
        for key, value in ARCHITECTURES["mobilenet_v2"].build().state_dict().items()
        if not key.endswith("num_batches_tracked")
    ]
    assert own == published


@pytest.mark.parametrize(
    ("name", "width", "parameters", "macs"),
    [
        # torchvision's documentation of MobileNet_V2_Weights: 3,504,872 and 0.3 GFLOPs.
        ("mobilenet_v2", None, 3_504_872, 300_774_272),
        # LeCun et al. 1998, section II.B: C1 156 + C5 48,120 + F6 10,164; C3 and the output layer
        # fully connected as taught today (2,416 and 850).
        ("lenet5", None, 61_706, 416_520),
    ],
)
def test_parameters_and_macs(name: str, width: float | None, parameters: int, macs: int) -> None:
    architecture = ARCHITECTURES[name]
    found = summarise(architecture.build(width=width), architecture.input)
    assert (found.parameters, found.macs) == (parameters, macs)


def test_the_width_multiplier_is_the_papers() -> None:
    architecture = ARCHITECTURES["mobilenet_v2"]
    found = summarise(architecture.build(width=1.4), architecture.input)
    # Sandler et al. 2018, table 4: 585 M multiply-adds at width 1.4; timm lists 6.11 M parameters.
    assert found.macs == pytest.approx(585e6, rel=0.01)
    assert found.parameters == pytest.approx(6.11e6, rel=0.001)


def test_mobilenet_v2_has_53_weighted_layers() -> None:
    architecture = ARCHITECTURES["mobilenet_v2"]
    found = summarise(architecture.build(), architecture.input)
    # 1 + 2 + 16 * 3 + 1 convolutions (table 2) and the classifier.
    assert found.depth == 53
    assert found.width == 1280
    # Stem 3, then seventeen 3x3 windows at strides 2, 4, 8, 16 and 32, by hand from table 2.
    assert (found.receptive_field, found.stride) == (491, 32)


def test_lenet5_sees_16_pixels() -> None:
    architecture = ARCHITECTURES["lenet5"]
    found = summarise(architecture.build(), architecture.input)
    # 5, pooled 6, then a 5x5 window at stride 2 makes 14, pooled 16.
    assert (found.depth, found.receptive_field, found.stride) == (5, 16, 4)


def test_imagenet_has_a_thousand_labels() -> None:
    labels = ARCHITECTURES["mobilenet_v2"].class_labels()
    assert len(labels) == 1000
    assert labels[967] == "espresso"
    assert labels[285] == "Egyptian cat"
