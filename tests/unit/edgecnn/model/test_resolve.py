from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgecnn.errors import CheckpointUnreadable, ModelUnusable, UnknownModel
from edgecnn.model.build import build_network
from edgecnn.model.describe import describe
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import (
    Checkpoint,
    Factory,
    OnnxFile,
    ZooNetwork,
    find_architecture,
    resolve,
)
from edgecnn.model.weights import shipped
from edgecnn.zoo import ARCHITECTURES, Form


def shipped_checkpoint() -> Path:
    return shipped("resnet20")["cifar10"]


def test_a_name_of_the_zoo_is_its_architecture() -> None:
    source = resolve("mobilenet_v2")
    assert source == ZooNetwork(ARCHITECTURES["mobilenet_v2"])
    assert (source.typed, source.name) == ("mobilenet_v2", "mobilenet_v2")


def test_an_onnx_file_is_named_after_the_file_whether_it_exists_or_not() -> None:
    source = resolve("./nets/mine.v2.onnx")
    assert source == OnnxFile("./nets/mine.v2.onnx")
    assert isinstance(source, OnnxFile)
    assert source.path == Path("nets/mine.v2.onnx")
    assert source.name == "mine.v2"
    assert source.typed == "./nets/mine.v2.onnx"


def test_a_factory_is_a_module_and_what_to_call_in_it() -> None:
    source = resolve("package.nets:build")
    assert source == Factory("package.nets:build")
    assert isinstance(source, Factory)
    assert (source.module, source.name) == ("package.nets", "build")


def test_a_checkpoint_of_ours_says_which_network_it_is_of() -> None:
    path = shipped_checkpoint()
    source = resolve(str(path))
    assert isinstance(source, Checkpoint)
    assert source.path == path
    assert source.name == "resnet20"
    assert source.architecture is ARCHITECTURES["resnet20"]
    assert source.description.input == (3, 32, 32)
    assert source.description.form.classes == 10


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_a_colon_in_the_path_of_a_file_makes_no_factory_of_it(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "run:2"
    folder.mkdir()
    path = folder / f"net{suffix}"
    path.write_bytes(shipped_checkpoint().read_bytes())
    assert isinstance(resolve(str(path)), OnnxFile | Checkpoint)


@pytest.mark.parametrize(
    ("typed", "offer"),
    [
        ("mobilenet-v2", "did you mean mobilenet_v2"),
        ("xyzzy", "edgecnn zoo lists them"),
        ("", "edgecnn zoo lists them"),
    ],
)
def test_a_name_that_the_zoo_has_not_is_refused_with_an_offer(typed: str, offer: str) -> None:
    for ask in (resolve, find_architecture):
        with pytest.raises(UnknownModel, match=offer) as refused:
            ask(typed)
        assert f"no model is called {typed!r}" in str(refused.value)


def test_a_checkpoint_that_is_missing_or_of_others_is_refused(tmp_path: Path) -> None:
    others = tmp_path / "others.safetensors"
    save_file({"weight": np.zeros(1, np.float32)}, others)
    says = rf"does not say which network it is of; name one: edgecnn export NAME --weights {others}"
    with pytest.raises(UnknownModel, match=says):
        resolve(str(others))
    with pytest.raises(UnknownModel, match="missing: it does not exist"):
        resolve(str(tmp_path / "missing.safetensors"))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(shipped_checkpoint().read_bytes()[:100])
    with pytest.raises(CheckpointUnreadable, match=r"damaged\.safetensors"):
        resolve(str(path))


def test_resolving_loads_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from edgecnn.model.resolve import resolve\n"
        "for typed in sys.argv[1:]: print(type(resolve(typed)).__name__)"
    )
    typed = ["net.onnx", "nets:build", "lenet5", str(shipped_checkpoint())]
    ran = subprocess.run(
        [sys.executable, "-c", code, *typed], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["OnnxFile", "Factory", "ZooNetwork", "Checkpoint"]


def test_weights_beside_a_checkpoint_are_refused() -> None:
    source = resolve(str(shipped_checkpoint()))
    assert isinstance(source, Checkpoint)
    with pytest.raises(ModelUnusable, match="holds its own weights; leave out --weights"):
        build_network(source, NetworkOptions("mine.pth"))


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ModelUnusable, match=r"net\.onnx: edgecnn zoo counts PyTorch networks"):
        describe(OnnxFile("net.onnx"), Form(), None)
    with pytest.raises(UnknownModel, match="no model is called"):
        describe(resolve(str(shipped_checkpoint())), Form(), None)
    with pytest.raises(ModelUnusable, match="takes no --width; leave it out"):
        describe(Factory("nets:build"), Form(width=0.5), None)
