"""Rows of ``edgecnn bench --learn``: batches and the inference that a step is compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from learning_bundles import Recipe, learning_contents, weights

from edgecnn.bench.learning import learning_artefacts, learning_batch
from edgecnn.errors import OptionsRefused
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.training import Normalisation


def bundle_of(path: Path, normalisation: Normalisation) -> Path:
    manifest, files = learning_contents(Recipe(), weights())
    assert manifest.training is not None
    training = replace(manifest.training, normalisation=normalisation)
    write_bundle(path, replace(manifest, training=training), files)
    return path


def test_one_image_is_measured_only_where_it_makes_a_step(tmp_path: Path) -> None:
    assert learning_batch(bundle_of(tmp_path / "frozen.edge", "frozen"), 1) == 1
    path = bundle_of(tmp_path / "batch.edge", "batch")
    assert learning_batch(path, 2) == 2
    with pytest.raises(OptionsRefused, match="--batch 1: batch normalisation"):
        learning_batch(path, 1)


@pytest.mark.parametrize(("is_int8", "path"), [(False, "model.onnx"), (True, "model.int8.onnx")])
def test_a_step_stands_beside_an_inference_with_its_frozen_layers(
    tmp_path: Path, is_int8: bool, path: str
) -> None:
    manifest, _ = learning_contents(Recipe(is_int8=is_int8), weights())
    assert manifest.training is not None
    manifest = replace(
        manifest, training=replace(manifest.training, backbone="int8" if is_int8 else "fp32")
    )
    artefact, step = learning_artefacts(tmp_path, manifest, (), ())
    assert (artefact.path, step.path) == (path, "model.train.onnx")
