from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import contents

from edgecnn_runtime.bundle.manifest_json import manifest_from_json
from edgecnn_runtime.bundle.write import record
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import Artefact, ChannelGroup, FileRecord, Manifest, OutsideGolden
from edgecnn_runtime.parity.difference import Answer, difference
from edgecnn_runtime.parity.golden import largest_steps
from edgecnn_runtime.parity.tolerances import allowed_loss_db, is_within_limit, limit_of
from edgecnn_runtime.tensor_spec import TensorSpec

REFERENCE = np.random.default_rng(0).standard_normal((3, 10))


def noisy(decibels: float):  # type: ignore[no-untyped-def]
    """The difference of an answer with so much noise."""
    noise = np.random.default_rng(1).standard_normal(REFERENCE.shape)
    power = np.square(REFERENCE - REFERENCE.mean()).sum() * 30 / 29 / np.square(noise).sum()
    return difference([(REFERENCE, REFERENCE + noise * np.sqrt(power) * 10 ** (-decibels / 20))])


@pytest.mark.parametrize(
    # Of thirty numbers: 30 - 3 - 2 · 4.343 · 2/√30.
    ("decibels", "holds"),
    [(31, True), (23.9, True), (23.7, False), (5, False)],
)
def test_a_quantised_artefact_must_be_as_near_as_where_it_was_made(
    decibels: float, holds: bool
) -> None:
    artefact = Artefact("model.int8.onnx", "onnx", "int8", sqnr_db={"output": (30.0,)})
    assert is_within_limit(noisy(decibels), artefact) is holds
    older = Artefact("model.int8.onnx", "onnx", "int8", pooled_db=30.0)
    assert is_within_limit(noisy(decibels), older) is holds


def test_few_numbers_excuse_no_loss_below_the_floor() -> None:
    # 17 dB where it was made, less 6.2 dB for thirty numbers: 12 dB hold all the same.
    artefact = Artefact("model.int8.onnx", "onnx", "int8", sqnr_db={"output": (17.0,)})
    assert is_within_limit(noisy(12.1), artefact)
    assert not is_within_limit(noisy(11.5), artefact)
    assert is_within_limit(noisy(11.5), replace(artefact, is_weak=True))


def test_the_more_numbers_tell_of_the_noise_the_less_may_be_lost() -> None:
    assert round(allowed_loss_db(30), 1) == 6.2
    assert round(allowed_loss_db(3000), 1) == 3.3


def test_nan_never_holds() -> None:
    measured = difference([(REFERENCE, np.full_like(REFERENCE, np.nan))])
    assert not is_within_limit(measured, Artefact("m", "onnx", "int8", sqnr_db={"output": (30.0,)}))
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
    int8 = Artefact("m", "onnx", "int8", sqnr_db={"output": (30.0,)})
    assert limit_of(int8, noisy(31)) == "≥ 23.8 dB"
    assert limit_of(Artefact("m", "onnx", "int8", pooled_db=30.0), noisy(31)) == "≥ 23.8 dB"
    assert limit_of(Artefact("m", "onnx", "fp32"), noisy(31)) == "≤ 1e-04"


GROUP = ChannelGroup(1, ((0, 3),), -1.0, 1.0, full_scale=1.0, meaning="scores")


def travelled(manifest: Manifest) -> Manifest:
    return manifest_from_json(json.loads(json.dumps(manifest.to_json())))


def test_what_was_measured_travels_in_the_manifest() -> None:
    manifest, files = contents()
    files |= {"model.bin": b"weights", "model.int8.fake": files["model.fake"]}
    manifest = replace(manifest, files={name: record(data) for name, data in files.items()})
    assert set(manifest.to_json()["artefacts"][0]) == {"path", "format", "precision", "proof"}
    full = replace(
        manifest.artefacts[0],
        path="model.int8.fake",
        precision="int8",
        proof="simulated",
        graph="0f" * 32,
        compiler="vela 5.2.0",
        sqnr_db={"logits": (31.5,)},
        outside_db={"logits": (30.0,)},
        is_weak=True,
        layout="NHWC",
        weights="model.bin",
        encodings={"input": (0.5, -128), "logits": (0.25, 255)},
    )
    assert full.paths == ("model.int8.fake", "model.bin")
    both = replace(
        manifest,
        artefacts=(full, *manifest.artefacts),
        groups={"logits": (GROUP,)},
        task="classification",
        parameters=(TensorSpec("fc.weight", "float32", (3, 8)),),
        outside=OutsideGolden("net.golden", FileRecord(10, "ab" * 32), manifest.golden),
    )
    assert travelled(both) == both


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"sqnr_db": 31.5}, "sqnr_db"),
        ({"sqnr_db": {"logits": [float("nan")]}}, "sqnr_db"),
        ({"sqnr_db": {"logits": [31.5, 20.0]}}, "one for each of its 1 groups"),
        ({"sqnr_db": {"boxes": [31.5]}}, r"SQNR of \['boxes'\], expected \['logits'\]"),
        ({"precision": "fp32"}, "fp32 and lists an SQNR or weakness of its own"),
        ({"proof": "sworn"}, "proof"),
        ({"graph": "short"}, "sha256"),
        ({"weak": 1}, "true or false"),
    ],
)
def test_a_wrong_measurement_is_refused(wrong: dict[str, object], match: str) -> None:
    manifest, files = contents()
    manifest = replace(
        manifest,
        files={name: record(data) for name, data in files.items()},
        groups={"logits": (GROUP,)},
    )
    document = json.loads(json.dumps(manifest.to_json()))
    document["artefacts"][0] |= {"precision": "int8", "sqnr_db": {"logits": [31.5]}} | wrong
    with pytest.raises(ManifestInvalid, match=match):
        manifest_from_json(document)


@pytest.mark.parametrize(
    ("group", "match"),
    [
        (replace(GROUP, axis=2), "has not"),
        (replace(GROUP, channels=((0, 4),)), "has not"),
        (replace(GROUP, channels=()), "has not"),
        (replace(GROUP, axis=None), "has not"),
    ],
)
def test_groups_are_of_channels_that_the_output_has(group: ChannelGroup, match: str) -> None:
    manifest, files = contents()
    records = {name: record(data) for name, data in files.items()}
    wrong = replace(manifest, files=records, groups={"logits": (group,)})
    with pytest.raises(ManifestInvalid, match=match):
        travelled(wrong)


def test_a_manifest_of_schema_1_still_opens() -> None:
    manifest, files = contents()
    manifest = replace(manifest, files={name: record(data) for name, data in files.items()})
    document = json.loads(json.dumps(manifest.to_json()))
    for newer in ("groups", "task", "parameters", "outside"):
        del document[newer]
    document["schema"] = "edgecnn.bundle/1"
    del document["artefacts"][0]["proof"]
    document["artefacts"][0] |= {"precision": "int8", "sqnr_db": 31.5}
    older = manifest_from_json(document)
    assert older.artefacts[0].pooled_db == 31.5
    assert older.groups == {}
    document["groups"] = {}
    with pytest.raises(ManifestInvalid, match="unknown field 'groups'"):
        manifest_from_json(document)
