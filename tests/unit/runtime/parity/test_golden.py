from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import contents

from edgecnn_exporters.bundle.write import record
from edgecnn_runtime.bundle.manifest_json import manifest_from_json
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.golden import Answer, difference, largest_steps
from edgecnn_runtime.parity.tolerances import allowed_loss_db, is_within_limit, limit_of

REFERENCE = np.random.default_rng(0).standard_normal((3, 10))


def noisy(decibels: float):  # type: ignore[no-untyped-def]
    """The difference of an answer with so much noise."""
    noise = np.random.default_rng(1).standard_normal(REFERENCE.shape)
    power = np.square(REFERENCE).sum() / np.square(noise).sum()
    return difference([(REFERENCE, REFERENCE + noise * np.sqrt(power) * 10 ** (-decibels / 20))])


@pytest.mark.parametrize(
    # Of thirty numbers: 30 - 3 - 2 · 4.343 · 2/√30.
    ("decibels", "holds"),
    [(31, True), (23.9, True), (23.7, False), (5, False)],
)
def test_a_quantised_artefact_must_be_as_near_as_where_it_was_made(
    decibels: float, holds: bool
) -> None:
    artefact = Artefact("model.int8.onnx", "onnx", "int8", sqnr_db=30.0)
    assert is_within_limit(noisy(decibels), artefact) is holds


def test_the_more_numbers_tell_of_the_noise_the_less_may_be_lost() -> None:
    assert round(allowed_loss_db(30), 1) == 6.2
    assert round(allowed_loss_db(3000), 1) == 3.3


def test_nan_never_holds() -> None:
    measured = difference([(REFERENCE, np.full_like(REFERENCE, np.nan))])
    assert not is_within_limit(measured, Artefact("m", "onnx", "int8", sqnr_db=30.0))
    assert not is_within_limit(measured, Artefact("m", "onnx", "fp32"))


def test_a_float_artefact_must_be_equal() -> None:
    artefact = Artefact("model.onnx", "onnx", "fp32")
    assert is_within_limit(noisy(130), artefact)
    assert not is_within_limit(noisy(40), artefact)


def test_weights_of_half_precision_may_be_off_by_their_rounding_only() -> None:
    artefact = Artefact("model.fp16.tflite", "tflite", "fp16")
    weight = np.random.default_rng(2).standard_normal((512, 10)).astype(np.float32)
    feed = np.random.default_rng(3).standard_normal((8, 512)).astype(np.float32)
    rounded = weight.astype(np.float16).astype(np.float32)
    assert is_within_limit(difference([(feed @ weight, feed @ rounded)]), artefact)
    assert not is_within_limit(difference([(feed @ weight, feed @ (weight * 0.97))]), artefact)
    assert not is_within_limit(
        difference([(feed @ weight, feed @ rounded)]), replace(artefact, precision="fp32")
    )


def test_the_share_of_equal_classes_has_its_interval() -> None:
    reference = np.eye(10)
    actual = reference.copy()
    actual[0] = actual[0, ::-1]
    far = difference([(reference, actual)])
    assert far.top1_agreement == 0.9
    # Wilson's for 9 of 10, by his formula on paper.
    assert far.top1_interval == pytest.approx((0.5958, 0.9821), abs=1e-4)


def test_errors_in_steps_are_told_of_outputs_in_integers_only() -> None:
    artefact = Artefact("m", "tflite", "int8", encodings={"logits": (0.25, 3)})
    answers = [
        Answer("logits", np.array([1.0, 2.0]), np.array([1.0, 2.5])),
        Answer("logits", np.array([1.0, 2.0]), np.array([0.0, 2.0])),
        Answer("features", np.array([0.0]), np.array([9.0])),
    ]
    assert largest_steps(answers, artefact) == 4
    assert largest_steps(answers, replace(artefact, encodings={})) is None


def test_limits_are_said_in_words() -> None:
    assert limit_of(Artefact("m", "onnx", "int8", sqnr_db=30.0), 30) == "≥ 23.8 dB"
    assert limit_of(Artefact("m", "onnx", "fp32"), 30) == "≤ 1e-04"


def test_the_figure_travels_in_the_manifest_and_is_left_out_where_there_is_none() -> None:
    manifest, files = contents()
    manifest = replace(manifest, files={name: record(data) for name, data in files.items()})
    assert "sqnr_db" not in json.dumps(manifest.to_json())
    quantised = replace(manifest.artefacts[0], precision="int8", sqnr_db=31.5)
    both = replace(manifest, artefacts=(quantised, *manifest.artefacts))
    document = json.loads(json.dumps(both.to_json()))
    assert manifest_from_json(document).artefacts == both.artefacts
    for wrong in ("31", True, float("nan")):
        document["artefacts"][0]["sqnr_db"] = wrong
        with pytest.raises(ManifestInvalid, match="sqnr_db"):
            manifest_from_json(document)


def test_an_artefacts_other_fields_travel_too_and_are_left_out_where_they_say_nothing() -> None:
    manifest, files = contents()
    files["model.bin"] = b"weights"
    manifest = replace(manifest, files={name: record(data) for name, data in files.items()})
    assert set(manifest.to_json()["artefacts"][0]) == {"path", "format", "precision"}
    full = replace(
        manifest.artefacts[0],
        sqnr_db=0.0,
        layout="NHWC",
        weights="model.bin",
        encodings={"input": (0.5, -128), "logits": (0.25, 255)},
    )
    assert full.paths == ("model.fake", "model.bin")
    both = replace(manifest, artefacts=(full, *manifest.artefacts))
    assert manifest_from_json(json.loads(json.dumps(both.to_json()))).artefacts == both.artefacts
