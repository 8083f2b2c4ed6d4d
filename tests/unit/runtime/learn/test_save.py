"""Bundles of what was learnt: sound, verified, and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from learning_bundles import (
    CHANNELS,
    HEAD,
    Recipe,
    int8_model,
    learning_contents,
    pictures,
    weights,
    with_norm,
)

import edgecnn_runtime as edge
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import Contents, npy, write_bundle, write_contents
from edgecnn_runtime.errors import LearningFailed, OutputNotWritable
from edgecnn_runtime.learn.step import TrainingStep
from edgecnn_runtime.manifest import Artefact, FileRecord, OutsideGolden
from edgecnn_runtime.parity.verify import verify


def written(folder: Path, recipe: Recipe = HEAD, name: str = "learning.edge") -> Path:
    write_bundle(folder / name, *learning_contents(recipe))
    return folder / name


def learn(model: edge.LearningSession, steps: int = 10, first: int = 0) -> None:
    for number in range(first, first + steps):
        model.learn(*pictures(8, seed=100 + number))


def logits(model: edge.Session) -> Array:
    return model.run({"input": pictures(6, seed=3)[0]})["logits"]


def verdicts(path: Path) -> dict[str, str]:
    with Bundle(path) as bundle:
        return {row.subject: row.verdict for row in verify(bundle)}


@pytest.mark.parametrize("recipe", [Recipe(), Recipe("adam"), Recipe(is_int8=True)])
def test_what_is_saved_answers_like_the_session_and_is_verified(
    tmp_path: Path, recipe: Recipe
) -> None:
    with edge.open(written(tmp_path, recipe), learn=True, precision="fp32") as model:
        learn(model)
        expected = logits(model)
        saved = model.save(tmp_path / "mine.edge")
    with edge.open(tmp_path / "mine.edge", precision="fp32") as model:
        np.testing.assert_array_equal(logits(model), expected)
        assert model.manifest == saved
    assert set(verdicts(tmp_path / "mine.edge").values()) == {"equal"}


def test_golden_answers_are_the_new_network_s(tmp_path: Path) -> None:
    with edge.open(written(tmp_path), learn=True) as model:
        learn(model)
        model.save(tmp_path / "mine.edge")
        images = pictures(3, seed=5)[0]
        expected = np.concatenate([model.run({"input": one[None]})["logits"] for one in images])
    with Bundle(tmp_path / "mine.edge") as bundle:
        found = np.concatenate([bundle.golden(index).outputs["logits"] for index in range(3)])
        (group,) = bundle.manifest.groups["logits"]
        names = bundle.manifest.provenance["golden_labels"]
        labels = bundle.labels()
    np.testing.assert_array_equal(found, expected)
    assert (group.low, group.high) == (found.min(), found.max())
    assert names == [labels[index] for index in found.argmax(axis=1)]


def test_the_int8_artefact_holds_what_was_learnt_in_integers(tmp_path: Path) -> None:
    with edge.open(written(tmp_path, Recipe(is_int8=True)), learn=True) as model:
        learn(model, 30)
        expected = logits(model)
        model.save(tmp_path / "mine.edge")
    with edge.open(tmp_path / "mine.edge", precision="int8") as model:
        np.testing.assert_array_equal(logits(model), expected)
        (worst,) = model.manifest.artefacts[0].sqnr_db["logits"]
    with edge.open(tmp_path / "mine.edge", precision="fp32") as model:
        exact = logits(model)
    assert worst > 25
    assert np.abs(expected - exact).max() < np.abs(exact).max() / 20
    with Bundle(tmp_path / "mine.edge") as bundle:
        found = initialisers(bundle.read("model.int8.onnx"))
    before = initialisers(int8_model(weights()))
    changed = {name for name, array in before.items() if not np.array_equal(found[name], array)}
    assert {name.split(".")[0] for name in changed} == {"head", "logits"}
    assert "head.weight.quantised" in changed


def initialisers(model: bytes) -> dict[str, Any]:
    graph = onnx.load_from_string(model).graph
    return {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}


@pytest.mark.parametrize("recipe", [Recipe(is_dropped=True), Recipe("adam", is_int8=True)])
def test_learning_goes_on_as_if_it_had_not_been_interrupted(tmp_path: Path, recipe: Recipe) -> None:
    path = written(tmp_path, recipe)
    with edge.open(path, learn=True, precision="fp32", seed=4) as model:
        learn(model, 10)
        expected = logits(model)
    with edge.open(path, learn=True, seed=4) as model:
        learn(model, 6)
        model.save(tmp_path / "half.edge")
    with edge.open(tmp_path / "half.edge", learn=True, precision="fp32", seed=4) as model:
        assert model.steps == 6
        learn(model, 4, first=6)
        np.testing.assert_array_equal(logits(model), expected)
        model.save(tmp_path / "whole.edge")
    with Bundle(tmp_path / "whole.edge") as bundle:
        first, second = bundle.manifest.provenance["learnt"]
    assert (first["steps"], second["steps"]) == (6, 4)
    digest = hashlib.sha256((tmp_path / "half.edge").read_bytes()).hexdigest()
    assert second["parent_sha256"] == digest


def test_other_classes_are_saved_with_their_names(tmp_path: Path) -> None:
    names = ["mug", "plate", "fork", "knife"]
    path = written(tmp_path, Recipe(is_int8=True))
    with edge.open(path, learn=True, labels=names, precision="fp32") as model:
        learn(model, 30)
        expected = logits(model)
        model.save(tmp_path / "mine.edge")
    with edge.open(tmp_path / "mine.edge", learn=True, precision="fp32") as model:
        assert model.labels == tuple(names)
        np.testing.assert_array_equal(logits(model), expected)
        assert model.manifest.outputs[0].shape == (None, 4)
        assert model.manifest.groups["logits"][0].channels == ((0, 4),)
        learn(model, 1)
    with Bundle(tmp_path / "mine.edge") as bundle:
        bundle.check()
        assert bundle.read("labels.txt") == b"mug\nplate\nfork\nknife\n"
        (entry,) = bundle.manifest.provenance["learnt"]
    assert entry["classes"] == {"before": 3, "after": 4}
    assert set(verdicts(tmp_path / "mine.edge").values()) == {"equal"}


def test_as_many_classes_of_other_names_are_told_as_new_ones(tmp_path: Path) -> None:
    with edge.open(written(tmp_path), learn=True, labels=["mug", "plate", "fork"]) as model:
        learn(model, 1)
        model.save(tmp_path / "mine.edge")
    with edge.open(tmp_path / "mine.edge", learn=True) as model:
        model.save(tmp_path / "again.edge")
    with Bundle(tmp_path / "again.edge") as bundle:
        first, second = bundle.manifest.provenance["learnt"]
    assert first["classes"] == {"before": 3, "after": 3}
    assert "classes" not in second


def test_the_golden_step_stays_the_one_of_automatic_differentiation(tmp_path: Path) -> None:
    path = written(tmp_path, Recipe(weight_decay=0.0))
    with edge.open(path, learn=True, labels=["a", "b"]) as model:
        model.learn(pictures(4)[0], [0, 1, 0, 1])
        model.save(tmp_path / "mine.edge")
    with edge.open(tmp_path / "mine.edge", learn=True) as model:
        model.save(tmp_path / "again.edge")
    for name in ("mine.edge", "again.edge"):
        with Bundle(tmp_path / name) as bundle:
            step, graph = bundle.golden_step(), bundle.training().graph
        np.testing.assert_array_equal(step.start["head.weight"], weights()["head.weight"])
        # It is run at the weights that it begins with, which have the classes of that time.
        manifest, _ = learning_contents(Recipe(weight_decay=0.0))
        training = TrainingStep(graph, manifest, step.start)
        training.run(step.feeds, step.labels, 1.0)
        for parameter, golden in step.gradients.items():
            found = training.values()[f"{parameter}.momentum"].ravel()[golden.index]
            np.testing.assert_allclose(found, golden.gradient, rtol=1e-4, atol=1e-6)


def test_provenance_tells_what_was_learnt(tmp_path: Path) -> None:
    path = written(tmp_path)
    held_out = {"before": {"correct": 3, "count": 9}, "after": {"correct": 8, "count": 9}}
    with edge.open(path, learn=True, seed=7) as model:
        model.learn(*pictures(4), learning_rate=0.5)
        model.learn(*pictures(3), learning_rate=0.25)
        model.save(tmp_path / "mine.edge", held_out=held_out)
    with Bundle(tmp_path / "mine.edge") as bundle:
        provenance = bundle.manifest.provenance
    (entry,) = provenance["learnt"]
    assert provenance["command"] == "by hand"
    assert entry.pop("engine").startswith("onnxruntime ")
    assert entry == {
        "parent_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "steps": 2,
        "images": 7,
        "learning_rate": [0.25, 0.5],
        "seed": 7,
        "left_out": [],
        "held_out": held_out,
    }


def test_what_a_device_cannot_write_is_left_out_and_listed(tmp_path: Path) -> None:
    manifest, files = learning_contents(Recipe(is_int8=True))
    assert manifest.training is not None
    others = (
        Artefact("model.fake", "fake", "fp32"),
        Artefact("model.xml", "openvino", "fp32", weights="model.bin"),
        Artefact("model.fp16.onnx", "onnx", "fp16"),
        Artefact(
            "npu/model.bin", "vela", "int8", "compiled only", target="u55", report="npu/r.json"
        ),
    )
    files |= {path: b"x" for one in others for path in (*one.paths, one.report) if path}
    files["golden/0.image.npy"] = npy(np.zeros((6, 6, 3), np.uint8))
    golden = (replace(manifest.golden[0], image="golden/0.image.npy"), *manifest.golden[1:])
    manifest = replace(
        manifest,
        artefacts=(*manifest.artefacts, *others),
        golden=golden,
        provenance={"targets": {"model.tflite": {}}, "accuracy": 1, "quantisation": {"data": "x"}},
        training=replace(manifest.training, is_int8_written=False, quantised=()),
    )
    write_bundle(tmp_path / "full.edge", manifest, files)
    with edge.open(tmp_path / "full.edge", learn=True) as model:
        learn(model, 2)
        saved = model.save(tmp_path / "mine.edge")
    assert [one.path for one in saved.artefacts] == ["model.onnx"]
    assert "golden/0.image.npy" in saved.files
    assert saved.provenance.keys() == {"golden_labels", "learnt"}
    assert saved.provenance["learnt"][0]["left_out"] == [
        *("model.bin", "model.fake", "model.fp16.onnx", "model.int8.onnx", "model.xml"),
        *("npu/model.bin", "npu/r.json"),
    ]
    assert verdicts(tmp_path / "mine.edge")["model.onnx"] == "equal"


def test_private_examples_beside_the_bundle_are_dropped(tmp_path: Path) -> None:
    manifest, files = learning_contents(Recipe())
    outside = OutsideGolden("", FileRecord(0, ""), manifest.golden[:1])
    beside = {path: content for path, content in files.items() if path.startswith("golden/0.")}
    write_contents(
        tmp_path / "mine.edge", Contents(replace(manifest, outside=outside), files, beside)
    )
    with edge.open(tmp_path / "mine.edge", learn=True) as model:
        learn(model, 1)
        saved = model.save(tmp_path / "mine.edge")
    assert saved.outside is None
    assert saved.provenance["learnt"][0]["left_out"] == ["mine.golden"]
    assert set(verdicts(tmp_path / "mine.edge").values()) == {"equal"}


def test_a_folded_norm_is_folded_with_what_was_learnt(tmp_path: Path) -> None:
    manifest, files, expected = with_norm()
    write_bundle(tmp_path / "norm.edge", manifest, files)
    images, labels = pictures(4)
    with edge.open(tmp_path / "norm.edge", learn=True) as model:
        model.learn(images, labels, learning_rate=0.5)
        found = model.run({"input": images})["logits"]
        model.save(tmp_path / "mine.edge")
    # The graph doubles the norm's factor, and moves its mean by the rate.
    np.testing.assert_allclose(found, expected(images, 0.5), rtol=1e-4, atol=1e-5)
    found_rows = verdicts(tmp_path / "mine.edge")
    # Its training graph is no gradient.
    assert found_rows.pop("model.train.onnx") == "differs"
    assert set(found_rows.values()) == {"equal"}
    with Bundle(tmp_path / "mine.edge") as bundle:
        values = bundle.training().values
    assert values["conv.weight"].shape == weights()["conv.weight"].shape
    np.testing.assert_allclose(values["norm.mean"], np.full(CHANNELS, 0.75))


def test_equal_steps_give_equal_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, Recipe(is_dropped=True, is_int8=True))
    for name in ("a.edge", "b.edge"):
        with edge.open(path, learn=True) as model:
            learn(model, 3)
            model.save(tmp_path / name)
            model.save(tmp_path / name)
    assert (tmp_path / "a.edge").read_bytes() == (tmp_path / "b.edge").read_bytes()


def test_the_open_bundle_can_be_replaced_and_learning_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path)
    link = tmp_path / "link.edge"
    link.symlink_to(path)
    with edge.open(path, learn=True) as model:
        for _ in range(3):
            learn(model, 2)
            saved = model.save(link)
        expected = logits(model)
    assert link.is_symlink()
    assert saved.provenance["learnt"][0]["steps"] == 6
    with edge.open(path) as model:
        np.testing.assert_array_equal(logits(model), expected)


def test_saving_before_a_step_changes_no_answer(tmp_path: Path) -> None:
    path = written(tmp_path, Recipe(is_int8=True))
    with edge.open(path, learn=True) as model:
        model.save(tmp_path / "mine.edge")
    answers = []
    for each in (path, tmp_path / "mine.edge"):
        for precision in ("fp32", "int8"):
            with edge.open(each, precision=precision) as model:
                answers.append(logits(model))
    np.testing.assert_array_equal(answers[0], answers[2])
    np.testing.assert_array_equal(answers[1], answers[3])


def test_a_bundle_without_golden_examples_is_saved_without(tmp_path: Path) -> None:
    manifest, files = learning_contents(Recipe(is_int8=True))
    (_, artefact) = manifest.artefacts
    int8 = replace(manifest.artefacts[0], sqnr_db={})
    kept = {path: each for path, each in files.items() if ".npy" not in path}
    write_bundle(
        tmp_path / "x.edge", replace(manifest, golden=(), artefacts=(int8, artefact)), kept
    )
    with edge.open(tmp_path / "x.edge", learn=True, labels=["a", "b"]) as model:
        model.learn(pictures(4)[0], [0, 1, 0, 1])
        model.save(tmp_path / "mine.edge")
    with Bundle(tmp_path / "mine.edge") as bundle:
        bundle.check()
        assert "golden_labels" not in bundle.manifest.provenance


@pytest.mark.parametrize("held_out", [{"after": float("nan")}, {"after": {1, 2}}])
def test_a_held_out_accuracy_is_json(tmp_path: Path, held_out: dict[str, Any]) -> None:
    with (
        edge.open(written(tmp_path), learn=True) as model,
        pytest.raises(LearningFailed, match="no JSON object of finite numbers"),
    ):
        model.save(tmp_path / "mine.edge", held_out=held_out)
    assert not (tmp_path / "mine.edge").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with edge.open(written(tmp_path), learn=True) as model:
        learn(model, 1)
        with pytest.raises(OutputNotWritable, match="no such file or directory"):
            model.save(tmp_path / "absent/mine.edge")
        with pytest.raises(OutputNotWritable, match="it is a folder"):
            model.save(tmp_path)


def test_a_full_disk_leaves_the_old_file_and_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    with edge.open(path, learn=True) as model:
        learn(model, 1)
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", full)
            with pytest.raises(OutputNotWritable, match="no space left on device"):
                model.save(path)
        assert path.read_bytes() == before
        model.save(path)
    assert [each.name for each in tmp_path.iterdir()] == ["learning.edge"]
    assert path.read_bytes() != before


SAVER = """
import sys
sys.path.insert(0, sys.argv[2])
import edgecnn_runtime as edge
from learning_bundles import pictures
with edge.open(sys.argv[1], learn=True) as model:
    print("ready", flush=True)
    while True:
        model.learn(*pictures(4))
        model.save(sys.argv[1])
"""


def test_kill_9_at_any_moment_of_saving_leaves_a_sound_bundle(tmp_path: Path) -> None:
    path = written(tmp_path)
    tests = str(Path(__file__).parents[3])
    for pause_ms in (5, 40, 90):
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(path), tests], stdout=subprocess.PIPE, text=True
        )
        assert saver.stdout is not None
        assert saver.stdout.readline() == "ready\n"
        time.sleep(pause_ms / 1000)
        saver.send_signal(signal.SIGKILL)
        saver.wait()
        saver.stdout.close()
        with Bundle(path) as bundle:
            bundle.check()
    assert set(verdicts(path).values()) <= {"equal"}
