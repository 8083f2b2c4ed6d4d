from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import contents

from edgecnn_exporters.package import record
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.golden import difference, is_as_proven, limit_of
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.manifest_json import manifest_from_json

REFERENCE = np.random.default_rng(0).standard_normal((3, 10))


def noisy(decibels: float):  # type: ignore[no-untyped-def]
    """The difference of an answer with so much noise."""
    noise = np.random.default_rng(1).standard_normal(REFERENCE.shape)
    power = np.square(REFERENCE).sum() / np.square(noise).sum()
    return difference([(REFERENCE, REFERENCE + noise * np.sqrt(power) * 10 ** (-decibels / 20))])


@pytest.mark.parametrize(
    ("decibels", "holds"), [(31, True), (27.1, True), (26.9, False), (5, False)]
)
def test_a_quantised_artefact_must_be_as_near_as_where_it_was_made(
    decibels: float, holds: bool
) -> None:
    artefact = Artefact("model.int8.onnx", "onnx", "int8", sqnr_db=30.0)
    assert is_as_proven(noisy(decibels), artefact) is holds


def test_nan_never_holds() -> None:
    found = difference([(REFERENCE, np.full_like(REFERENCE, np.nan))])
    assert not is_as_proven(found, Artefact("m", "onnx", "int8", sqnr_db=30.0))
    assert not is_as_proven(found, Artefact("m", "onnx", "fp32"))


def test_a_float_artefact_must_be_equal() -> None:
    artefact = Artefact("model.onnx", "onnx", "fp32")
    assert is_as_proven(noisy(130), artefact)
    assert not is_as_proven(noisy(40), artefact)


def test_limits_are_said_in_words() -> None:
    assert limit_of(Artefact("m", "onnx", "int8", sqnr_db=30.0)) == "≥ 27.0 dB (30.0 at export)"
    assert limit_of(Artefact("m", "onnx", "fp32")) == "≤ 1e-04 of the largest"


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
