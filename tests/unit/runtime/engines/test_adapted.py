from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import INPUT, OFFSET, OUTPUT, SCALE, contents, fake_model, red_image
from tflite_models import brightest

import edgecnn_runtime as edge
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.engines.adapted import Adapted, adapt, dequantise, one_run, quantise
from edgecnn_runtime.engines.fake import FakeEngine
from edgecnn_runtime.errors import FeedError, ManifestInvalid
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.measure.benchmark import benchmark
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan, Subject
from edgecnn_runtime.parity.verify import verify

FEED = np.random.default_rng(0).random((3, 3, 4, 4), np.float32)
RIGHT = FEED.mean(axis=(2, 3)) * SCALE + OFFSET

# Inputs from 0 to 1 and answers from 0 to 3, in 255 steps each.
CODES = {"input": (1 / 255, -128), "logits": (3 / 255, -128)}
GROUPS = {"logits": (ChannelGroup(None, ((0, 1),), 0.0, 1.0),)}
FORMS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "channels-last": (brightest((None, 4, 4, 3), (1, 2), SCALE, OFFSET), {"layout": "NHWC"}),
    "one at a time": (brightest((1, 3, 4, 4), (2, 3), SCALE, OFFSET), {}),
    "int8": (
        brightest((1, 4, 4, 3), (1, 2), SCALE, OFFSET, encodings=list(CODES.values())),
        {"layout": "NHWC", "precision": "int8", "sqnr_db": {"logits": (40.0,)}, "encodings": CODES},
    ),
}
# What an answer may be off by: half a step of the input, twice that in the answer, half a step.
ALLOWED = {"int8": 0.5 / 255 * SCALE + 0.5 * 3 / 255 + 1e-6}


def write(folder: Path, form: str, **other: Any) -> Path:
    model, fields = FORMS[form]
    manifest, files = contents("tflite", model)
    artefact = replace(manifest.artefacts[0], **(fields | other))
    write_bundle(folder / "x.edge", replace(manifest, artefacts=(artefact,), groups=GROUPS), files)
    return folder / "x.edge"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [1, 3])
def test_an_artefact_in_another_form_takes_and_gives_what_the_manifest_promises(
    tmp_path: Path, form: str, batch: int
) -> None:
    with edge.open(write(tmp_path, form)) as model:
        assert (model.engine.inputs, model.engine.outputs) == ((INPUT,), (OUTPUT,))
        assert (model.engine.name, model.engine.version()[0].isdigit()) == ("tflite", True)
        logits = model.run({"input": FEED[:batch]})["logits"]
    assert logits.dtype == np.float32
    assert logits.shape == (batch, 3)
    np.testing.assert_allclose(logits, RIGHT[:batch], atol=ALLOWED.get(form, 1e-5))


@pytest.mark.parametrize("form", FORMS)
def test_it_classifies_as_preprocess_and_run_do(tmp_path: Path, form: str) -> None:
    with edge.open(write(tmp_path, form)) as model:
        logits = model.run({"input": model.preprocess(red_image())})["logits"][0]
        best, *_ = model.classify(red_image())
    assert best.label == "red"
    assert best.score == pytest.approx(np.exp(logits[0]) / np.exp(logits).sum(), rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_it_is_verified_and_measured_as_any_other(tmp_path: Path, form: str) -> None:
    path = write(tmp_path, form)
    with Bundle(path) as bundle:
        rows = verify(bundle)
        assert {row.verdict for row in rows} == {"equal"}
        engines = [row.engine.name for row in rows if row.engine]
        reference = ["tflite-reference"] if form == "int8" else []
        assert engines == ["tflite", *reference]
    events: list[dict[str, Any]] = []
    plan = MeasurementPlan(rounds=2, block_ms=1, warmup_s=0.1)
    benchmark(MeasurementJob((Subject(str(path)),), plan), events.append)
    (row,) = (event for event in events if event["event"] == "row")
    assert row["verdict"] == "equal"
    assert [event["number"] for event in events if event["event"] == "round"] == [0, 1]


def test_a_wrong_feed_is_told_in_the_manifests_words(tmp_path: Path) -> None:
    with edge.open(write(tmp_path, "int8")) as model:
        with pytest.raises(FeedError, match="shape 1x4x4x3, expected input float32 Nx3x4x4"):
            model.run({"input": np.zeros((1, 4, 4, 3), np.float32)})
        with pytest.raises(FeedError, match="is int8, expected input float32"):
            model.run({"input": np.zeros((1, 3, 4, 4), np.int8)})


@pytest.mark.parametrize(
    ("form", "other", "says"),
    [
        ("channels-last", {"layout": None}, "the model has input float32 Nx4x4x3"),
        ("one at a time", {"layout": "NHWC"}, "Nx3x4x4, here NHWC; the model has"),
        ("int8", {"encodings": {}}, "the model has input int8 1x4x4x3"),
        ("channels-last", {"encodings": CODES}, "input, logits in 8 bits; the model has"),
    ],
)
def test_an_artefact_that_is_not_what_it_says_is_refused(
    tmp_path: Path, form: str, other: dict[str, Any], says: str
) -> None:
    with pytest.raises(ManifestInvalid, match=says):
        edge.open(write(tmp_path, form, **other))


class Rows(FakeEngine):
    """Takes one example; answers with its channels first, then the batch."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.inputs = (replace(INPUT, shape=(1, 3, 4, 4)),)
        self.outputs = (replace(OUTPUT, name="y", shape=shape),)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {"y": feeds["input"].transpose(1, 0, 2, 3)}


def test_an_engine_that_needs_no_adapting_stays_as_it_is() -> None:
    manifest, _ = contents()
    engine = FakeEngine.open(fake_model())
    assert adapt(engine, manifest, manifest.artefacts[0]) is engine


def test_what_is_timed_is_the_engines_own_run_on_input_as_it_takes_it(tmp_path: Path) -> None:
    with edge.open(write(tmp_path, "int8")) as model:
        assert isinstance(model.engine, Adapted)
        (native,) = model.engine.native({"input": FEED}).values()
        answer = one_run(model.engine, {"input": FEED})()["logits"]
    # Steps of 1/255 above -128, by hand; one example, channels last.
    np.testing.assert_array_equal(native, np.rint(FEED[:1] * 255).transpose(0, 2, 3, 1) - 128)
    assert native.dtype == np.int8
    assert native.flags.c_contiguous
    assert answer.dtype == np.int8
    np.testing.assert_allclose((answer + 128.0) * 3 / 255, RIGHT[:1], atol=ALLOWED["int8"])


def test_inputs_of_different_batches_are_not_taken_one_at_a_time() -> None:
    two = b'[1, 3, 4, 4]], ["mask", "float32", [1, 2]]]'
    model = fake_model().replace(b"[null, 3, 4, 4]]]", two)
    manifest, _ = contents()
    mask = replace(INPUT, name="mask", shape=(None, 2))
    manifest = replace(manifest, inputs=(INPUT, mask))
    adapted = adapt(FakeEngine.open(model), manifest, manifest.artefacts[0])
    with pytest.raises(FeedError, match="differ in their batch"):
        adapted.run({"mask": np.zeros((2, 2), np.float32), "input": FEED})
    logits = adapted.run({"mask": np.ones((3, 2), np.float32), "input": FEED})["logits"]
    assert logits.shape == (3, 3)


def test_an_output_is_joined_along_its_own_batch_axis() -> None:
    manifest, _ = contents()
    feed = FEED[:2]
    for shape, native in (((3, None, 4, 4), (3, 1, 4, 4)), ((3, 4), (3, 4))):
        promised = replace(OUTPUT, name="y", shape=shape)
        model = Rows(native)
        adapted = adapt(model, replace(manifest, outputs=(promised,)), manifest.artefacts[0])
        if None in shape:
            rows = adapted.run({"input": feed})["y"]
            np.testing.assert_array_equal(rows[:, 1], feed[1])
        else:
            with pytest.raises(FeedError, match="y float32 3x4 has no batch axis"):
                adapted.run({"input": feed})


def test_four_dimensional_outputs_come_channels_first() -> None:
    specs = '{"inputs": [["x", "float32", [1, 2, 3, 5]]], "outputs": [["y", "float32", '
    engine = FakeEngine.open(f'{specs}[1, 2, 3, 5]]], "scale": 2, "offset": 0}}'.encode())
    manifest, _ = contents()
    promised = replace(INPUT, name="x", shape=(1, 5, 2, 3))
    manifest = replace(manifest, inputs=(promised,), outputs=(replace(promised, name="y"),))
    adapted = adapt(engine, manifest, replace(manifest.artefacts[0], layout="NHWC"))
    feed = np.random.default_rng(1).random((1, 5, 2, 3), np.float32)
    output = adapted.run({"x": feed})["y"]
    np.testing.assert_array_equal(output, feed * 2)
    assert output.flags.c_contiguous


def test_quantising_rounds_halves_to_even_and_saturates() -> None:
    steps = np.array([-1e38, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.4, 126.6, 300, np.inf])
    integers = quantise((steps * 0.25).astype(np.float32), (0.25, 1), "int8")
    assert integers.tolist() == [-128, -1, -1, 1, 1, 3, 3, 127, 127, 127, 127]
    assert quantise(np.float32([-1, 0, 70]), (0.25, 10), "uint8").tolist() == [6, 10, 255]


def test_dequantising_is_the_other_way() -> None:
    real = dequantise(np.array([-128, 0, 127], np.int8), (0.5, -128))
    assert real.dtype == np.float32
    assert real.tolist() == [0, 64, 127.5]
    integers = np.arange(-128, 128, dtype=np.int8)
    code = (0.0371, -3)
    np.testing.assert_array_equal(quantise(dequantise(integers, code), code, "int8"), integers)
