"""Verified golden answers of an artefact on one engine, bit by bit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from conftest import OFFSET, SCALE, contents

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.parity.answers import (
    Verification,
    digest,
    find_artefact,
    load_answers,
    mark,
    save_answers,
    verify_answers,
)
from edgecnn_runtime.parity.row import parity_from_json


def verify(bundle: Path, engine: str, artefact: str, **options: Any) -> tuple[Verification, Any]:
    with Bundle(bundle) as opened:
        chosen = find_artefact(opened, artefact)
        return verify_answers(opened, chosen, engine_class(engine), **options)


def test_answers_are_verified_and_digested(onnx_bundle: Path) -> None:
    verification, answers = verify(onnx_bundle, "onnxruntime", "model.onnx", counted_runs=2)
    assert verification.parity.verdict == "equal"
    assert verification.counted_runs == 2
    assert verification.peak_memory_bytes is not None
    with Bundle(onnx_bundle) as opened:
        feed = opened.golden(0).inputs["input"]
    expected = (feed.mean(axis=(2, 3)) * SCALE + OFFSET).astype(np.float32)
    np.testing.assert_allclose(answers[0]["logits"], expected, rtol=1e-6)
    assert verification.outputs == ({"logits": digest(answers[0]["logits"])},)


def test_a_digest_tells_bits_types_and_shapes_apart() -> None:
    zero = np.zeros((2, 3), np.float32)
    different = (-zero, zero.astype(np.float64), zero.reshape(3, 2), zero[:1])
    assert len({digest(one) for one in (zero, *different)}) == 5
    assert digest(zero) == digest(np.zeros((3, 2), np.float32).T)


def test_answers_come_back_from_a_file_as_they_were(tmp_path: Path) -> None:
    answers = [{"a/b": np.arange(6).reshape(2, 3), "c": np.ones(1)} for _ in range(11)]
    answers[10]["c"] *= 7
    save_answers(str(tmp_path / "answers"), answers)
    loaded = load_answers(tmp_path / "answers")
    assert len(loaded) == 11
    assert loaded[10]["c"] == 7
    np.testing.assert_array_equal(loaded[0]["a/b"], answers[0]["a/b"])


def test_an_engine_that_refuses_is_a_verdict(onnx_bundle: Path) -> None:
    verification, answers = verify(onnx_bundle, "tflite", "model.onnx")
    assert verification.parity.verdict == "differs"
    assert "does not begin as a TFLite file does" in verification.parity.note
    assert (verification.outputs, verification.peak_memory_bytes, answers) == ((), None, ())


def test_a_bundle_without_golden_examples_runs_and_is_unproven(tmp_path: Path) -> None:
    manifest, files = contents()
    kept = {name: content for name, content in files.items() if "golden" not in name}
    write_bundle(tmp_path / "bare.edge", replace(manifest, golden=()), kept)
    verification, answers = verify(tmp_path / "bare.edge", "fake", "model.fake")
    assert verification.parity.verdict == "unproven"
    assert (verification.parity.difference, len(answers)) == (None, 1)


def test_a_mark_changes_nothing() -> None:
    mark(1)
    mark(65_535)


def test_a_parity_row_survives_json(onnx_bundle: Path) -> None:
    verification, _ = verify(onnx_bundle, "onnxruntime", "model.onnx")
    assert (
        parity_from_json(json.loads(json.dumps(verification.parity.to_json())))
        == verification.parity
    )


def test_the_agent_prints_a_verification_as_one_event(onnx_bundle: Path, tmp_path: Path) -> None:
    arguments = ["prove", onnx_bundle, "--artefact", "model.onnx", "--engine", "onnxruntime"]
    ran = subprocess.run(
        [sys.executable, "-m", "edgecnn_runtime", *arguments, "--answers", tmp_path / "answers"],
        capture_output=True,
        text=True,
        check=True,
    )
    event = json.loads(ran.stdout)
    (answer,) = load_answers(tmp_path / "answers")
    assert event["event"] == "proof"
    assert event["outputs"] == [{"logits": digest(answer["logits"])}]


def test_an_artefact_that_is_not_there_is_refused_with_those_that_are(onnx_bundle: Path) -> None:
    arguments = ["prove", onnx_bundle, "--artefact", "other.onnx", "--engine", "onnxruntime"]
    ran = subprocess.run(
        [sys.executable, "-m", "edgecnn_runtime", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "has no artefact other.onnx; it has model.onnx" in ran.stderr
