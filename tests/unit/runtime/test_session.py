from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import MODELS, contents, fake_model, onnx_model, red_image

import edgecnn_runtime as edge
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import EngineError, FeedError, NotAClassifier
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.tolerances import is_within
from edgecnn_runtime.parity.verify import verify
from edgecnn_runtime.tasks import softmax, top_k


@pytest.fixture(params=MODELS)
def any_bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    format, model = MODELS[request.param]
    content = model()
    write_bundle(tmp_path / "any.edge", *contents(format, content.model, content.weights))
    return tmp_path / "any.edge"


def test_classify_names_the_class_and_its_score(any_bundle: Path) -> None:
    with edge.open(any_bundle) as model:
        best, *rest = model.classify(red_image())
    # Mean red is 200/255, twice that plus 1 against 1 and 1: softmax by hand.
    score = np.exp(400 / 255) / (np.exp(400 / 255) + 2)
    assert (best.index, best.label) == (0, "red")
    assert best.score == pytest.approx(score, rel=1e-5)
    assert sum(c.score for c in (best, *rest)) == pytest.approx(1)


def test_run_takes_and_returns_arrays(any_bundle: Path) -> None:
    with edge.open(any_bundle) as model:
        outputs = model.run({"input": np.zeros((2, 3, 4, 4), np.float32)})
    np.testing.assert_array_equal(outputs["logits"], np.ones((2, 3)))


def test_preprocess_and_run_are_classify_in_two_steps(any_bundle: Path) -> None:
    with edge.open(any_bundle) as model:
        logits = model.run({"input": model.preprocess(red_image())})["logits"]
        assert softmax(logits)[0, 0] == pytest.approx(model.classify(red_image())[0].score)


def test_top_is_cut_at_the_classes_there_are(any_bundle: Path) -> None:
    with edge.open(any_bundle) as model:
        assert len(model.classify(red_image(), top=1)) == 1
        assert len(model.classify(red_image(), top=99)) == 3


def test_a_closed_session_says_so(any_bundle: Path) -> None:
    model = edge.open(any_bundle)
    model.close()
    with pytest.raises(EngineError, match="closed"):
        model.run({"input": np.zeros((1, 3, 4, 4), np.float32)})


def test_wrong_feeds_are_named(any_bundle: Path) -> None:
    with edge.open(any_bundle) as model, pytest.raises(FeedError, match="expected input float32"):
        model.run({"input": np.zeros((1, 3, 5, 4), np.float32)})


def test_a_bundle_without_preprocessing_takes_arrays_only(tmp_path: Path) -> None:
    manifest, files = contents()
    golden = (replace(manifest.golden[0], image=None),)
    bare = replace(manifest, preprocess=None, postprocess=None, golden=golden)
    for name in ("labels.txt", "golden/0.image.npy"):
        del files[name]
    write_bundle(tmp_path / "bare.edge", bare, files)
    with edge.open(tmp_path / "bare.edge") as model:
        with pytest.raises(NotAClassifier, match="carries no preprocessing"):
            model.preprocess(red_image())
        with pytest.raises(NotAClassifier, match="carries no labels"):
            model.classify(red_image())


def test_the_engine_and_precision_can_be_chosen(tmp_path: Path) -> None:
    manifest, files = contents("onnx", onnx_model())
    both = (*manifest.artefacts, Artefact("second.fake", "fake", "fp16"))
    path = tmp_path / "both.edge"
    write_bundle(path, replace(manifest, artefacts=both), files | {"second.fake": fake_model()})
    for chosen, engine in (
        ({}, "onnxruntime"),
        ({"engine": "fake"}, "fake"),
        ({"precision": "fp16"}, "fake"),
    ):
        with edge.open(path, **chosen) as model:
            assert model.engine.name == engine
    with pytest.raises(
        EngineError, match=r"no int8 artefact; it has model.onnx \(fp32\), second.fake \(fp16\)"
    ):
        edge.open(path, precision="int8")
    with pytest.raises(EngineError, match=r"'onnxruntime' does not run the formats of .*: fake"):
        edge.open(path, engine="onnxruntime", precision="fp16")
    with pytest.raises(EngineError, match="no engine is called 'tensorrt'"):
        edge.open(path, engine="tensorrt")


def test_equal_scores_come_in_class_order() -> None:
    best = top_k(np.array([0.2, 0.4, 0.4], np.float32), ("a", "b", "c"), 3)
    assert [c.label for c in best] == ["b", "c", "a"]


@pytest.mark.parametrize("count", [0, -1, "5", 2.0])
def test_a_number_of_classes_that_is_none_is_refused(count: object) -> None:
    with pytest.raises(ValueError, match="expected how many classes to give"):
        top_k(np.ones(3, np.float32), ("a", "b", "c"), count)  # type: ignore[arg-type]


def test_softmax_of_large_logits_does_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([1e4, 1e4, 0.0])), [0.5, 0.5, 0])


def test_a_difference_has_the_figures_that_arithmetic_gives() -> None:
    reference = np.array([[3.0, 4.0], [0.0, 1.0]])
    measured = difference([(reference, np.array([[3.0, 3.5], [2.0, 1.0]]))])
    # The mean is 2, and no number is further from it than 2.
    assert (measured.max_abs, measured.relative, measured.n) == (2.0, 1.0, 2)
    assert measured.top1_agreement == 0.5
    # Signal 1 + 4 + 4 + 1, of four about their own mean, over noise 0.25 + 4.
    assert measured.sqnr_db == pytest.approx(10 * np.log10(10 * 4 / 3 / 4.25))
    assert measured.pooled_db == pytest.approx(10 * np.log10(26 / 4.25))


def test_equal_arrays_have_infinite_sqnr() -> None:
    array = np.ones((1, 2))
    assert difference([(array, array)]).sqnr_db == float("inf")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_never_within_tolerance(bad: float) -> None:
    reference = np.ones((2, 2))
    wrong = reference.copy()
    wrong[0, 0] = bad
    assert not is_within(difference([(reference, wrong), (reference, reference)]), "fp32")


def test_verify_proves_a_sound_bundle(any_bundle: Path) -> None:
    with Bundle(any_bundle) as bundle:
        rows = verify(bundle)
    assert [(row.subject.partition(".")[0], row.verdict) for row in rows] == [
        ("model", "equal"),
        ("preprocessing", "equal"),
        ("labels", "equal"),
    ]


def test_verify_finds_an_artefact_that_answers_otherwise(tmp_path: Path) -> None:
    wrong = fake_model().replace(b'"scale": 2.0', b'"scale": 2.01')
    write_bundle(tmp_path / "x.edge", *contents("fake", wrong))
    with Bundle(tmp_path / "x.edge") as bundle:
        row = verify(bundle)[0]
    assert row.verdict == "differs"
    assert row.difference is not None
    assert row.difference.relative > 1e-3


def test_verify_finds_a_preprocessing_that_makes_other_inputs(tmp_path: Path) -> None:
    manifest, files = contents()
    assert manifest.preprocess is not None
    swapped = replace(manifest.preprocess, colour="BGR")
    write_bundle(tmp_path / "x.edge", replace(manifest, preprocess=swapped), files)
    with Bundle(tmp_path / "x.edge") as bundle:
        assert [row.verdict for row in verify(bundle)] == ["equal", "differs", "equal"]


def test_verify_names_an_artefact_that_does_not_run(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x.edge", *contents("onnx", b"\x08\x08"))
    with Bundle(tmp_path / "x.edge") as bundle:
        row = verify(bundle)[0]
    assert row.verdict == "differs"
    assert "does not run" in row.note


def agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgecnn_runtime", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_agent_names_engines_and_host() -> None:
    event = json.loads(agent("host").stdout)
    assert event["engines"]["fake"] == "1"
    assert event["host"]["cores"] >= 1


def test_the_agent_refuses_in_one_line(tmp_path: Path) -> None:
    ran = agent("cold", str(tmp_path / "none.edge"))
    assert ran.returncode == 1
    assert ran.stderr.startswith("edgecnn_runtime: ")
    assert ran.stderr.count("\n") == 1
