"""`edgecnn.Bundle`: what each command does, as a method."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.edgecnn.api.small_network import LABELS, SHAPE, inputs

import edgecnn
from edgecnn.errors import ArgumentInvalid, OptionsRefused

RED = np.full((20, 20, 3), (220, 10, 10), np.uint8)


def test_a_bundle_is_opened_by_its_path(exported: edgecnn.Bundle) -> None:
    assert edgecnn.open_bundle(str(exported.path)) == exported
    assert exported.labels == LABELS
    with pytest.raises(edgecnn.BundleError):
        edgecnn.open_bundle(exported.path.parent / "other.edge")


def test_a_bundle_prints_what_is_in_it(exported: edgecnn.Bundle) -> None:
    assert "SmallNet" in str(exported)
    assert str(exported) == str(exported.show())
    assert "<table>" in exported._repr_html_()
    assert repr(exported) == f"Bundle(path={exported.path!r})"


def test_answers_are_verified_on_the_engines_that_are_named(exported: edgecnn.Bundle) -> None:
    result = exported.verify(["onnxruntime"], diagnose=False)
    assert result.is_equal
    assert {row.engine.name for row in result.parity if row.engine} == {"onnxruntime"}
    assert "onnxruntime" in str(result)
    assert result.to_dict()["schema"].startswith("edgecnn.verify/")


def test_another_file_is_compared_with_the_golden_answers(
    exported: edgecnn.Bundle, tmp_path: Path
) -> None:
    exported.extract(tmp_path, "model.onnx")
    result = exported.verify("onnxruntime", against=tmp_path / "model.onnx")
    assert result.is_equal
    with pytest.raises(OptionsRefused, match="against goes with engines alone"):
        exported.verify(against=tmp_path / "model.onnx", data=tmp_path)


def test_accuracy_on_pairs_of_a_program(
    exported: edgecnn.Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    best = exported.run(RED).images[0].classes[0].label
    data = [(RED, best), (inputs(1)[0], LABELS.index(best)), (Path("missing.png"), 0)]
    with caplog.at_level(logging.WARNING, "edgecnn"):
        result = exported.evaluate(data, precision="int8", processes=1)
    assert result.images == 2
    assert result.accuracies[0].precision == "int8"
    assert "1 of 3 images cannot be read" in caplog.text


def test_files_and_arrays_are_classified_alike(exported: edgecnn.Bundle, tmp_path: Path) -> None:
    Image.fromarray(RED).save(tmp_path / "red.png")
    files = exported.run(tmp_path / "red.png", top=2)
    arrays = exported.run([RED, RED[..., 0].astype(float)], top=2)
    assert len(files.images[0].classes) == 2
    assert files.images[0].classes == arrays.images[0].classes
    assert arrays.images[0].image == "image 0"
    assert arrays.failures[0].startswith("image 1: ")
    batch = exported.run([np.stack([RED, RED]), RED], top=2)
    assert [one.image for one in batch.images] == ["image 0", "image 1", "image 2"]
    assert batch.images[1].classes == batch.images[2].classes == arrays.images[0].classes
    with exported.open(precision="fp32") as model:
        assert model.artefact.precision == "fp32"


def test_latencies_are_measured_here(exported: edgecnn.Bundle) -> None:
    result = exported.bench(engines="onnxruntime", threads=1, rounds=8, cold_starts=0)
    rows = result.rows()
    assert {row["precision"] for row in rows} == {"int8", "fp32"}


def test_parts_are_extracted_and_left_out(exported: edgecnn.Bundle, tmp_path: Path) -> None:
    extracted = exported.extract(tmp_path / "parts", "model.int8.onnx")
    assert (tmp_path / "parts/model.int8.onnx").is_file()
    assert "model.int8.onnx" in str(extracted)
    exported.strip(tmp_path / "app.edge", precisions="int8")
    stripped = edgecnn.open_bundle(tmp_path / "app.edge")
    assert [one.precision for one in stripped.manifest.artefacts] == ["int8"]
    shutil.copy(exported.path, tmp_path / "own.edge")
    own = edgecnn.open_bundle(tmp_path / "own.edge")
    own.strip(in_place=True, keep=["model.onnx"])
    assert [one.path for one in own.manifest.artefacts] == ["model.onnx"]
    with pytest.raises(OptionsRefused, match="output=…, or say in_place=True"):
        exported.strip()


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "limit": ("verify", {"limit": 0}, "limit: 0 is not in the range x>=1"),
    "no flag": ("verify", {"diagnose": "no"}, "diagnose is 'no', expected True or False"),
    "engines": ("verify", {"engines": None}, "engines is a NoneType, expected a name or several"),
    "bytes": ("verify", {"engines": [b"tflite"]}, "engines holds a bytes, expected a name"),
    "negative": ("verify", {"max_memory": -1}, "max_memory: -1 is not a size"),
    "yes": ("verify", {"max_memory": True}, "max_memory is a bool, expected text or a number"),
    "no number": ("verify", {"max_seconds": np.nan}, "max_seconds is nan, expected a number"),
    "a null": ("verify", {"data": "a\0b"}, r"data is 'a\\x00b', which names no file"),
    "a long name": ("verify", {"reproduce": "ä" * 300}, "reproduce is 'ä{40}'…, which names no"),
    "no name": ("verify", {"against": ""}, "against is empty, expected a name or a path"),
    "an engine": ("evaluate", {"data": [], "engine": 3}, "engine is a int, expected a name"),
    "memory": ("verify", {"max_memory": "much"}, "max_memory: 'much' is not a size"),
    "processes": ("evaluate", {"data": [], "processes": 0}, "processes: 0 is not in the range"),
    "rounds": ("bench", {"rounds": 1}, "rounds: 1 is not in the range 8<=x<=1000"),
    "half a round": ("bench", {"rounds": 8.5}, "rounds is 8.5, expected a whole number"),
    "no device": ("bench", {"device": []}, "device names none"),
    "back in time": ("bench", {"sustained": -1}, "sustained: -1 is not a duration"),
    "sustained": ("bench", {"sustained": "long"}, "sustained: 'long' is not a duration"),
    "threads": ("bench", {"threads": [0]}, "threads: '0' is not a number of threads"),
    "targets": ("compile", {"targets": "tpu"}, "targets: .*tpu"),
    "no targets": ("compile", {"targets": []}, "targets names no target"),
    "a licence": (
        "compile",
        {"targets": "rk3588", "accept_licence": "x"},
        "no package 'x'|has a p",
    ),
    "no image": ("run", {"images": []}, "images: the batch holds no images"),
    "None": ("run", {"images": [RED, None]}, "image 1: image is None, which cv2.imread returns"),
    "a mapping": ("run", {"images": {"image": RED}}, "images: image is a dict, expected a path"),
    "a folder": ("extract", {"folder": None}, "folder is None, expected a path"),
    "an artefact": (
        "extract",
        {"folder": "x", "artefact": 3},
        "artefact is a int, expected a name",
    ),
    "a precision": ("open", {"precision": 8}, "precision is a int, expected a name"),
    "open's threads": ("open", {"threads": 0}, "threads: 0 is not in the range"),
    "top": ("run", {"images": RED, "top": 0}, "top: 0 is not in the range x>=1"),
}


def test_no_value_is_the_default_of_the_command_line(exported: edgecnn.Bundle) -> None:
    result = exported.verify("onnxruntime", limit=None, max_memory=None)  # type: ignore[arg-type]
    assert result.is_equal


@pytest.mark.parametrize("path", [None, 3])
def test_what_is_no_path_of_a_bundle_is_named(path: Any) -> None:
    with pytest.raises(ArgumentInvalid, match="path is "):
        edgecnn.open_bundle(path)
    with pytest.raises(ArgumentInvalid, match="model is "):
        edgecnn.load_network(path)


def test_artefacts_are_compared_on_images_and_inputs_of_a_program(
    exported: edgecnn.Bundle,
) -> None:
    result = exported.verify("onnxruntime", data=(each for each in (RED, *inputs(20))), limit=5)
    assert result.pictures is not None
    assert (result.pictures.data, result.pictures.count) == ("generator in Python", 5)
    with pytest.raises(edgecnn.DataUnreadable, match="data: the list yields nothing"):
        exported.verify("onnxruntime", data=[])


def test_a_bundle_does_not_replace_itself_unasked(exported: edgecnn.Bundle) -> None:
    before = exported.path.read_bytes()
    with pytest.raises(OptionsRefused, match="is the bundle itself"):
        exported.strip(exported.path)
    assert exported.path.read_bytes() == before


def test_what_the_command_warns_of_is_noted(
    exported: edgecnn.Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exported.strip(tmp_path / "app.edge")
    app = edgecnn.open_bundle(tmp_path / "app.edge")
    with caplog.at_level(logging.WARNING, "edgecnn"):
        app.verify("onnxruntime")
        app.run(tmp_path / "none.png")
    assert "golden examples" in caplog.records[0].getMessage()
    assert "none.png' cannot be opened" in caplog.records[1].getMessage()


@pytest.mark.parametrize("kind", REFUSED)
def test_a_wrong_argument_is_named(kind: str, exported: edgecnn.Bundle) -> None:
    method, arguments, message = REFUSED[kind]
    with pytest.raises(ArgumentInvalid, match=message):
        getattr(exported, method)(**arguments)


def test_the_export_keeps_its_result(tmp_path: Path) -> None:
    bundle = edgecnn.export("lenet5", output=tmp_path / "net.edge", weights="random")
    assert bundle.exported is not None
    assert bundle.exported.notes
    assert "verified" in str(bundle.exported)
    assert repr(bundle.exported) == str(bundle.exported)
    assert bundle == edgecnn.open_bundle(tmp_path / "net.edge")
    assert bundle.manifest.inputs[0].shape[1:] != SHAPE
