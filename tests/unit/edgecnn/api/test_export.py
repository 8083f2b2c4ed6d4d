"""`edgecnn.export` of a network in memory, and its arguments."""

from __future__ import annotations

import copy
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from unit.edgecnn.api.small_network import LABELS, SHAPE, UNIT, SmallNet, inputs

import edgecnn
import edgecnn_runtime
from edgecnn.errors import ArgumentInvalid, PreprocessUnknown
from edgecnn_runtime.manifest import Preprocess


def test_a_module_in_memory_becomes_a_bundle(exported: edgecnn.Bundle) -> None:
    bundle, network = exported, SmallNet()
    assert bundle.labels == LABELS
    assert [artefact.precision for artefact in bundle.manifest.artefacts] == ["int8", "fp32"]
    assert bundle.manifest.inputs[0].shape == (None, *SHAPE)
    assert bundle.manifest.preprocess is not None
    assert bundle.manifest.preprocess.resize == SHAPE[1:]
    feed = inputs(3)
    with edgecnn_runtime.open(bundle.path, precision="fp32") as model, torch.no_grad():
        (answer,) = model.run({"input": feed.numpy()}).values()
        np.testing.assert_allclose(answer, copy.deepcopy(network).eval()(feed), atol=1e-5)


def test_the_module_stays_as_it_was(tmp_path: Path) -> None:
    network = SmallNet()
    edgecnn.export(network, SHAPE, tmp_path / "net.edge", preprocess="unit")
    assert all(layer.training for layer in network.modules())
    same = SmallNet().state_dict()
    assert all(torch.equal(value, same[key]) for key, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_provenance_names_the_class_and_the_call(exported: edgecnn.Bundle) -> None:
    provenance = exported.manifest.provenance
    assert provenance["source"] == {
        "module": "unit.edgecnn.api.small_network.SmallNet",
        "weights": "in memory",
    }
    assert provenance["command"] == (
        "edgecnn.export(SmallNet, input=Tensor, preprocess={…}, labels=('red', 'green', 'blue'), "
        "quantize='int8', calibrate=DataLoader)"
    )
    assert provenance["quantisation"]["data"] == "DataLoader in Python"


def test_notes_are_warnings_of_the_logger(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING, "edgecnn"):
        edgecnn.export(SmallNet(), SHAPE, tmp_path / "net.edge", name="net")
    messages = [record.getMessage() for record in caplog.records if record.name == "edgecnn"]
    assert messages[0].startswith("in training mode (1 BatchNorm2d)")
    assert "preprocessing 'imagenet' is assumed" in messages[1]
    assert capfd.readouterr() == ("", "")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a class": ({"model": SmallNet}, r"model is a type, .*call it: edgecnn.export\(SmallNet\(\)"),
    "a list": ({"model": [1]}, "model is a list, expected a torch.nn.Module, a name from"),
    "a name of a name": ({"model": "lenet5", "name": "x"}, "name: only for a torch.nn.Module"),
    "no shape": ({"input": (224, 224)}, r"input is \(224, 224\), expected an image's"),
    "no image": ({"input": torch.zeros(2, 3)}, r"an example of shape \(2, 3\)"),
    "no axis of 0": ({"input": (1, 3, 0, 224)}, "input is .*expected an image's"),
    "an object as input": ({"input": object()}, "input is a object"),
    "a precision": ({"quantize": "int4"}, "quantize: 'int4' is not a precision"),
    "a recipe": ({"quantize": "int8", "recipe": "good"}, "recipe: 'good' is not one of 'fast', "),
    "samples": ({"quantize": "int8", "samples": 0}, "samples: 0 is not in the range x>=1"),
    "no share": ({"quantize": "int8", "min_agreement": "x"}, "is 'x', expected a number"),
    "a share": ({"quantize": "int8", "min_agreement": 99}, "min_agreement: 99.* is not in the"),
    "calibrate alone": ({"calibrate": [1]}, "calibrate: only with quantize='int8'"),
    "a target": ({"targets": "tensorrt"}, "targets: 'tensorrt' is not a target; choose from"),
    "fp16 alone": ({"fp16": True}, "fp16: only with targets tflite, openvino"),
    "tflite_io": ({"targets": "tflite", "tflite_io": "uint8"}, "tflite_io: only with quantize="),
    "a batch": ({"batch": 0}, "batch: '?0'? is not a batch size; use dynamic"),
    "opset": ({"opset": 11}, "opset: 11 is not in the range 18<=x<=23"),
    "labels": ({"labels": 3}, "labels is a int, expected a list of names"),
    "labels by number": ({"labels": {"cat": 0, "dog": 1}}, "labels is a dict, expected a list"),
    "labels without order": ({"labels": {"cat", "dog"}}, "labels is a set, expected a list"),
    "channels last": ({"input": (1, 224, 224, 3)}, r"channels first, .*\(3, 224, 224\)\?"),
    "an example of rows": ({"input": torch.zeros(8, 9, 3)}, r"channels first, .*\(3, 8, 9\)\?"),
    "a folder in a name": ({"model": SmallNet(), "name": "../x"}, "name is '../x', expected a w"),
    "a flag": ({"force": "no"}, "force is 'no', expected True or False"),
    "names of targets": ({"targets": None}, "targets is a NoneType, expected a name or several"),
    "preprocess": ({"preprocess": 3}, "preprocess is a int, expected imagenet, unit"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_wrong_argument_is_named_with_those_that_are_accepted(kind: str, tmp_path: Path) -> None:
    given, message = REFUSED[kind]
    arguments = {"model": "lenet5", "output": tmp_path / "net.edge"} | given
    with pytest.raises(ArgumentInvalid, match=message) as caught:
        edgecnn.export(**arguments)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, edgecnn.EdgeCNNError)


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        (UNIT | {"crop": (8, 8)}, "the preprocessing does not fit the network"),
        ({"colour": "RGB"}, "preprocess"),
        (Preprocess("L", (16, 16), "bilinear", None, 1.0, (0.0,), (1.0,)), "makes 1 channels"),
    ],
)
def test_a_preprocessing_that_does_not_fit_is_refused(
    preprocess: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(PreprocessUnknown, match=message):
        edgecnn.export(SmallNet(), SHAPE, tmp_path / "net.edge", preprocess=preprocess)


def test_a_module_without_a_shape_is_refused_with_the_way_to_give_it(tmp_path: Path) -> None:
    with pytest.raises(edgecnn.EdgeCNNError, match=r"needs the shape of its input.*an example of"):
        edgecnn.export(SmallNet(), output=tmp_path / "net.edge")


def test_a_label_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(edgecnn.EdgeCNNError, match=r"labels: 'a\\nb' is not one line"):
        edgecnn.export(SmallNet(), SHAPE, tmp_path / "net.edge", labels=["a\nb", "b", "c"])


def test_a_missed_limit_says_what_was_noted_of_the_samples(tmp_path: Path) -> None:
    samples = inputs(40) * 255
    with pytest.raises(edgecnn.LimitMissed, match=r"inputs given range from .* to 25"):
        edgecnn.export(
            SmallNet(),
            SHAPE,
            tmp_path / "net.edge",
            preprocess=UNIT,
            quantize="int8",
            calibrate=samples,
            min_agreement=0.9999,
        )
    assert not (tmp_path / "net.edge").exists()


def test_two_threads_export_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor() as pool:
        bundles = list(
            pool.map(
                lambda name: edgecnn.export(
                    SmallNet(), SHAPE, tmp_path / f"{name}.edge", preprocess="unit"
                ),
                ("a", "b"),
            )
        )
    assert all(bundle.manifest.golden for bundle in bundles)
    assert "Error" not in capfd.readouterr().err  # as PyTorch logs where it is disturbed
