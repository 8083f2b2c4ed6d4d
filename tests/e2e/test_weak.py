"""int8 that loses too much is refused, or flagged and put last where that is allowed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from e2e.conftest import Run

from edgecnn_runtime.bundle import Bundle

# One scale for weights whose channels differ by a factor of a million leaves most of them zero.
WEAK = (
    *("export", "own:unbalanced", "--input", "1x3x8x8", "--preprocess", "none", "-o", "net.edge"),
    *("--quantize", "int8", "--per-tensor", "--recipe", "fast", "--no-measure"),
)


def test_a_weak_int8_artefact_is_not_written_and_the_exit_code_is_6(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    ran = edgecnn(*WEAK)
    assert ran.returncode == 6
    assert "model.int8.onnx is weak: logits" in ran.stderr
    assert "--allow-weak" in ran.stderr
    assert not (tmp_path / "net.edge").exists()


def test_it_stands_last_where_it_is_allowed_and_is_never_called_equal(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    ran = edgecnn(*WEAK, "--target", "tflite", "--allow-weak")
    assert ran.returncode == 0, ran.stderr
    assert "int8 is weak" in ran.stdout
    with Bundle(tmp_path / "net.edge") as bundle:
        artefacts = bundle.manifest.artefacts
    assert [(one.precision, one.is_weak) for one in artefacts] == [
        ("fp32", False),
        ("fp32", False),
        ("int8", True),
        ("int8", True),
    ]
    ran = edgecnn("verify", "net.edge", "--json")
    assert ran.returncode == 0, ran.stderr
    verdicts = {row["precision"]: row["verdict"] for row in json.loads(ran.stdout)["rows"]}
    assert verdicts["int8"] == "weak"
    assert verdicts["fp32"] == "equal"


def test_samples_of_the_users_lie_beside_the_bundle_and_not_in_it(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    inputs = np.random.default_rng(0).uniform(-1, 1, (40, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "mine.npz", inputs)
    ran = edgecnn(
        *("export", "own:responsive", "--input", "1x3x8x8", "-o", "net.edge", "--no-measure"),
        *("--quantize", "int8", "--calibrate", "mine.npz", "--preprocess", "none"),
    )
    assert ran.returncode == 0, ran.stderr
    mine = {row.tobytes() for row in inputs}
    with Bundle(tmp_path / "net.edge") as bundle:
        outside = bundle.outside()
        assert outside is not None
        beside = [example.inputs["input"] for example in outside]
        packed = [bundle.golden(index).inputs["input"] for index in range(3)]
    assert len(beside) == 8
    assert all(feed.tobytes() in mine for feed in beside)
    assert not any(feed.tobytes() in mine for feed in packed)
    ran = edgecnn("verify", "net.edge")
    assert ran.returncode == 0, ran.stdout
    assert "n = 8 examples of net.golden" in ran.stdout
