"""Training in 8 bits as a person does it: from a float network to a bundle with those scales."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from e2e.conftest import Run
from onnx import numpy_helper
from PIL import Image
from safetensors.numpy import load_file
from torch import nn

CLASSES = ("blue", "green", "red")
OWN = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.Hardswish(),
        nn.Conv2d(8, 8, 3, groups=8, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )

def other():
    return build()[:-1]
"""
TRAIN = ("--data", "colours", "--augment", "none", "--batch-size", "12", "--epochs", "2")
INT8 = ("--init-from", "own.pth", "--input", "1x3x32x32", "--quantize", "int8")
EXPORT = ("--quantize", "int8", "--preprocess", "imagenet", "--no-measure")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Noisy images of three colours, and a network of one's own with its weights."""
    draw = np.random.default_rng(0)
    for channel, name in enumerate(reversed(CLASSES)):
        (tmp_path / "colours" / name).mkdir(parents=True)
        for number in range(12):
            image = draw.integers(0, 120, (32, 32, 3), np.uint8)
            image[..., channel] += 120
            Image.fromarray(image).save(tmp_path / "colours" / name / f"{number}.png")
    (tmp_path / "own.py").write_text(OWN)
    namespace: dict[str, object] = {}
    exec(OWN, namespace)
    network = namespace["build"]()  # type: ignore[operator]
    assert isinstance(network, nn.Module)
    torch.save(network.state_dict(), tmp_path / "own.pth")
    return tmp_path


def test_a_network_of_ones_own_is_exported_with_the_scales_that_it_was_trained_with(
    edgecnn: Run, mine: Path
) -> None:
    ran = edgecnn("train", "own:build", *TRAIN, *INT8, "--lr", "0.001", "-o", "run", "--json")
    assert ran.returncode == 0, ran.stderr
    (trained,) = json.loads(ran.stdout)["trained"]
    assert trained["is_quantised"] is True
    weights = load_file(mine / "run" / "weights.safetensors")

    line = edgecnn("export", "run/weights.safetensors", *EXPORT).stderr
    assert "edgecnn export own:build --weights run/weights.safetensors --input 1x3x32x32" in line
    named = ("own:build", "--weights", "run/weights.safetensors", "--input", "1x3x32x32")
    ran = edgecnn("export", *named, *EXPORT, "--recipe", "best", "--per-tensor")
    assert ran.returncode == 1
    assert "--recipe best, --per-tensor: the checkpoint is trained in 8 bits" in ran.stderr
    ran = edgecnn("export", *named, *EXPORT, "-o", "own.edge")
    assert ran.returncode == 0, ran.stderr
    assert "come from training: nothing is calibrated" in ran.stderr
    assert "scales from training" in ran.stdout

    model = onnx.load_from_string(zipfile.ZipFile(mine / "own.edge").read("model.int8.onnx"))
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for layer in ("0", "3", "8"):
        scale = weights[f"int8:scale:{layer}"]
        kept = weights[f"{layer}.weight"]
        own_scale = scale * np.sqrt(6) if layer == "0" else scale
        integers = kept / own_scale.reshape(-1, *[1] * (kept.ndim - 1))
        np.testing.assert_array_equal(arrays[f"{layer}.weight.quantised"], np.rint(integers))
        assert np.abs(integers - np.rint(integers)).max() < 1e-3, "weights are kept as rounded"
        np.testing.assert_array_equal(arrays[f"{layer}.weight.quantised.scale"], scale)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("lenet5", *TRAIN, "--quantize", "int8"), 2, "name its checkpoint with --init-from"),
        (("lenet5", *TRAIN, "--teacher", "own.pth"), 2, "--teacher: only with --quantize int8"),
        (("own:build", *TRAIN, *INT8, "--reset-head"), 2, "--reset-head: not with --quantize"),
        (("own:build", *TRAIN, "--init-from", "own.pth", "--quantize", "int4"), 2, "int4"),
        (("resnet20", *TRAIN, *INT8), 1, "does not fit the network"),
        (("own:build", *TRAIN, *INT8, "--teacher", "none.safetensors"), 1, "none.safetensors"),
        (("own:missing", *TRAIN, *INT8), 1, "own:missing cannot be built"),
        (("own:other", *TRAIN, *INT8), 1, "unexpected: 8.weight, 8.bias"),
    ],
)
def test_what_cannot_be_trained_in_8_bits_is_refused_in_words(
    edgecnn: Run, mine: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = edgecnn("train", *arguments, "-o", "run")
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (mine / "run").exists()
