"""Checkpoints made to hang, to fill memory, or to be copied into a network as other numbers."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from hostile.special import make_special
from safetensors.torch import save_file

from edgecnn.errors import CheckpointMismatch, CheckpointUnreadable
from edgecnn.model.build import build_network
from edgecnn.model.checkpoint import load_checkpoint, read_checkpoint
from edgecnn.model.description import read_header
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import Checkpoint, resolve
from edgecnn.model.weights import shipped


def saved(folder: Path, content: object) -> Path:
    path = folder / "weights.pth"
    torch.save(content, path)
    return path


def test_a_dictionary_that_holds_itself_is_refused(tmp_path: Path) -> None:
    content: dict[str, object] = {"epoch": 1}
    content["model"] = content
    with pytest.raises(CheckpointUnreadable, match="wraps its weights 10 times"):
        read_checkpoint(saved(tmp_path, content))


def test_compressed_weights_are_refused_before_they_inflate(tmp_path: Path) -> None:
    plain = saved(tmp_path, {"weight": torch.zeros(1000)})
    bomb = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert len(torch.load(bomb, weights_only=True)["weight"]) == 1000  # PyTorch itself inflates
    with pytest.raises(CheckpointUnreadable, match="is compressed, which torch"):
        read_checkpoint(bomb)


@pytest.mark.parametrize(
    "pickled",
    [b".", b"0000.", b"h\x05.", b"\x8a\xff", b"X\xff\xff\xff\x7fa.", b"]a.", b"]]s.", b"}" * 9],
)
def test_a_pickle_that_runs_nowhere_is_refused(tmp_path: Path, pickled: bytes) -> None:
    """PyTorch's reader raises IndexError, KeyError, EOFError, whatever its stack runs into."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02" + pickled)
    with pytest.raises(CheckpointUnreadable, match=r"weights\.pth"):
        read_checkpoint(path)


def test_an_archive_of_a_version_that_no_zip_has_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {"weight": torch.zeros(3)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 255
    path.write_bytes(content)
    with pytest.raises(CheckpointUnreadable, match=r"25\.5"):
        read_checkpoint(path)


def quantised() -> torch.Tensor:
    with warnings.catch_warnings(action="ignore"):  # PyTorch wants such tensors to go away
        return torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8)


STORED = {
    "complex64": lambda: torch.ones(2, 3, dtype=torch.complex64),
    "int8": lambda: torch.ones(2, 3, dtype=torch.int8),
    "bool": lambda: torch.ones(2, 3, dtype=torch.bool),
    "sparse": lambda: torch.ones(2, 3).to_sparse(),
    "meta device": lambda: torch.ones(2, 3, device="meta"),
    "quantised": quantised,
}


@pytest.mark.parametrize("kind", STORED)
def test_weights_that_are_no_dense_floats_are_refused(tmp_path: Path, kind: str) -> None:
    """`load_state_dict` would drop the imaginary part, and take int8's integers for weights."""
    content = {"weight": STORED[kind](), "bias": torch.zeros(2)}
    checkpoint = read_checkpoint(saved(tmp_path, content))
    with pytest.raises(CheckpointMismatch, match=f"not stored as dense floats.*weight.*{kind}"):
        load_checkpoint(torch.nn.Linear(3, 2), checkpoint, "weights.pth")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("kind", ["named pipe", "device", "folder"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    make_special(path, kind)
    with pytest.raises(CheckpointUnreadable, match=f"is a {kind}, expected a file of weights"):
        read_checkpoint(path)
    with pytest.raises(CheckpointUnreadable, match=f"is a {kind}, expected a file of weights"):
        read_header(path)


def described(folder: Path, **fields: object) -> Path:
    """A checkpoint of one number that calls itself a trained network."""
    header = read_header(shipped("resnet20")["cifar10"])
    assert header is not None
    path = folder / "weights.safetensors"
    metadata = {"edgecnn": json.dumps(header | fields)}
    save_file({"conv1.weight": torch.zeros(1)}, path, metadata=metadata)
    return path


def checkpoint_at(path: Path) -> Checkpoint:
    source = resolve(str(path))
    assert isinstance(source, Checkpoint)
    return source


@pytest.mark.parametrize(
    ("architecture", "form", "says"),
    [
        ("vgg19", {"classes": 1 << 20}, "describes a vgg19 of 4,"),
        ("resnet20", {"width": 8}, "describes a resnet20 of 17,"),
        ("resnet20", {"width": 1e9}, "width is 1000000000.0, expected 0.01 to 8"),
        ("resnet20", {"classes": 10**12}, "classes is 1000000000000"),
        ("resnet20", {"classes": 10.5}, "expected a whole number"),
        ("resnet20", {"depth": "deep"}, "depth is 'deep'"),
        ("resnet20", {"stem": "[/red]"}, "stem is"),
        ("resnet20", {"height": 1}, "height"),
    ],
)
def test_a_checkpoint_is_not_believed_to_be_larger_than_it_is(
    tmp_path: Path, architecture: str, form: dict[str, object], says: str
) -> None:
    path = described(tmp_path, architecture=architecture, form=form)
    with pytest.raises((CheckpointMismatch, CheckpointUnreadable), match=re.escape(says)):
        build_network(checkpoint_at(path), NetworkOptions())


@pytest.mark.parametrize("shape", [[3, 65_536, 65_536], [3, 0, 32], [1, 32, 32], [3, 32]])
def test_an_input_that_its_preprocessing_does_not_make_is_refused(
    tmp_path: Path, shape: list[int]
) -> None:
    with pytest.raises(CheckpointUnreadable, match="is described in a way that is not understood"):
        resolve(str(described(tmp_path, input=shape)))
