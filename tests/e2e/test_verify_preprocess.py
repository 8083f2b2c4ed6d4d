from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from conftest import contents, onnx_model
from e2e.conftest import Run
from PIL import Image

from edgecnn_runtime.bundle.write import write_bundle


def test_every_way_is_printed_with_its_cost(edgecnn: Run, tiny_bundle: Path) -> None:
    ran = edgecnn("verify", tiny_bundle, "--preprocess")
    assert ran.returncode == 0, ran.stderr
    assert "Pillow bilinear" in ran.stdout
    assert "not applicable: the bundle" in ran.stdout
    assert "n = 32 photographs, their mirror images and crops" in ran.stdout


def test_pictures_of_ones_own_as_json(edgecnn: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"mine/{number}.png")
    ran = edgecnn("verify", tiny_bundle, "--preprocess", "--data", "mine", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["schema"], found["pictures"]) == ("edgecnn.verify-preprocess/1", 3)
    rows = {row["way"]: row for row in found["rows"]}
    assert rows["Pillow bilinear"]["cost"]["agreed"] == 3
    assert rows["Pillow bilinear"]["cost"]["largest_levels"] < 1e-3
    assert rows["0…255"]["cost"]["largest_levels"] > 254
    assert rows["squashed"]["cost"] is None


def test_without_preprocessing_there_is_nothing_to_certify(edgecnn: Run, tmp_path: Path) -> None:
    manifest, files = contents("onnx", onnx_model())
    write_bundle(tmp_path / "plain.edge", replace(manifest, preprocess=None), files)
    ran = edgecnn("verify", "plain.edge", "--preprocess")
    assert ran.returncode == 1
    assert "carries no preprocessing" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_folder_that_is_none_is_refused(edgecnn: Run, tiny_bundle: Path) -> None:
    ran = edgecnn("verify", tiny_bundle, "--preprocess", "--data", "nowhere")
    assert ran.returncode == 1
    assert "is not a folder" in ran.stderr
