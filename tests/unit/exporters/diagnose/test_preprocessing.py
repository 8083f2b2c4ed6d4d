"""Diagnosis of preprocessing from golden images and inputs, one mistake at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn_exporters.capture.examples import example_images
from edgecnn_exporters.diagnose.diagnose import diagnose_preprocessing
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

SPEC = Preprocess(
    colour="RGB",
    resize=73,
    filter="bilinear",
    crop=(64, 64),
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
PAIRS = [(image, preprocess(image, SPEC)) for image in example_images(2)]


def test_correct_preprocessing_has_no_diagnosis() -> None:
    assert diagnose_preprocessing(SPEC, PAIRS, "input") is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(SPEC, colour="BGR"), "colour is BGR where the network reads RGB"),
        (replace(SPEC, mean=SPEC.std, std=SPEC.mean), "mean and std are swapped"),
        (replace(SPEC, mean=SPEC.mean[::-1], std=SPEC.std[::-1]), "reverse channel order"),
        (replace(SPEC, scale=1.0), "scaled by 1, not by 0.003922"),
        (replace(SPEC, filter="bicubic"), "resized with bicubic where it was bilinear"),
        (replace(SPEC, resize=64), "shorter side resized to 64, not to 73"),
        (replace(SPEC, layout="NHWC"), "axes are NHWC, not NCHW"),
        (replace(SPEC, mean=(0.5, 0.5, 0.5)), "were made with mean 0.485,0.456,0.406"),
        (replace(SPEC, std=(1.0, 1.0, 1.0)), "std 0.229,0.224,0.225"),
    ],
)
def test_a_mistake_is_named_and_confirmed(wrong: Preprocess, words: str) -> None:
    diagnosis = diagnose_preprocessing(wrong, PAIRS, "input")
    assert diagnosis is not None
    assert words in diagnosis.sentence
    assert diagnosis.is_confirmed
    assert diagnosis.node == "input"


def test_a_difference_that_no_mistake_explains_is_not_confirmed() -> None:
    other = [(image, golden + 0.3 * golden**2) for image, golden in PAIRS]
    diagnosis = diagnose_preprocessing(SPEC, other, "input")
    assert diagnosis is not None
    assert not diagnosis.is_confirmed
    assert "not confirmed" in diagnosis.words()
