from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgecnn.errors import CheckpointMismatch, CheckpointUnreadable
from edgecnn.model.checkpoint import StateDict, load_checkpoint, read_checkpoint


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return network().state_dict()


def load(path: Path) -> StateDict:
    fresh = network()
    checkpoint = load_checkpoint(fresh, read_checkpoint(path), path.name)
    for key, value in weights().items():
        assert torch.equal(fresh.state_dict()[key], value), key
    return checkpoint


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
def test_a_plain_state_dict_loads(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    torch.save(weights(), path)
    assert load(path).unwrapped == ()


def test_safetensors_load(tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "net.safetensors")
    load(tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("wrap", "unwrapped"),
    [
        (lambda w: {"state_dict": w, "epoch": 3}, ("state_dict",)),
        (lambda w: {"model": w, "optimizer": {}}, ("model",)),
        (lambda w: {"model_state_dict": w}, ("model_state_dict",)),
        (lambda w: {f"module.{k}": v for k, v in w.items()}, ("module.",)),
        (lambda w: {f"_orig_mod.module.{k}": v for k, v in w.items()}, ("_orig_mod.", "module.")),
        (
            lambda w: {
                "state_dict": {f"model.{k}": v for k, v in w.items()},
                "pytorch-lightning": 1,
            },
            ("state_dict", "model."),
        ),
        (
            lambda w: {f"module.{k}": v for k, v in w.items()} | {"n_averaged": torch.tensor(9)},
            ("module.",),
        ),
    ],
)
def test_wrappers_that_everyone_meets_are_understood(tmp_path, wrap, unwrapped) -> None:  # type: ignore[no-untyped-def]
    torch.save(wrap(weights()), tmp_path / "net.pth")
    assert load(tmp_path / "net.pth").unwrapped == unwrapped


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "ema"])
def test_averaged_weights_are_taken_before_the_last(tmp_path: Path, key: str) -> None:
    last = {k: v + 1 for k, v in weights().items()}
    torch.save({"state_dict": last, "model": last, key: weights()}, tmp_path / "net.pth")
    assert load(tmp_path / "net.pth").unwrapped == (key,)


def test_a_network_whose_own_keys_begin_with_model_keeps_them(tmp_path: Path) -> None:
    own = nn.ModuleDict({"model": nn.Linear(2, 2)})
    torch.save(own.state_dict(), tmp_path / "net.pth")
    loaded = load_checkpoint(own, read_checkpoint(tmp_path / "net.pth"), "net.pth")
    assert loaded.unwrapped == ()


def test_batch_counters_may_be_absent(tmp_path: Path) -> None:
    old = {k: v for k, v in weights().items() if not k.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "net.pth")
    load(tmp_path / "net.pth")


def test_what_does_not_fit_is_listed_by_kind(tmp_path: Path) -> None:
    wrong = weights()
    wrong["0.weight"] = torch.zeros(4, 3, 5, 5)
    del wrong["0.bias"]
    wrong["fc.weight"] = torch.zeros(10)
    torch.save(wrong, tmp_path / "net.pth")
    with pytest.raises(CheckpointMismatch) as raised:
        load_checkpoint(network(), read_checkpoint(tmp_path / "net.pth"), "net.pth")
    assert str(raised.value) == (
        "net.pth does not fit the network: 1 missing: 0.bias; 1 unexpected: fc.weight; "
        "1 of another shape (checkpoint against network): 0.weight 4x3x5x5 against 4x3x3x3"
    )


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    torch.save({f"layer{i}.weight": torch.zeros(1) for i in range(9)}, tmp_path / "net.pth")
    with pytest.raises(CheckpointMismatch, match=r"9 unexpected: (layer\d\.weight, ){4}…"):
        load_checkpoint(network(), read_checkpoint(tmp_path / "net.pth"), "net.pth")


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("wrap", [lambda b: b, lambda b: {"state_dict": weights(), "hook": b}])
def test_a_pickle_bomb_is_refused_and_does_not_go_off(tmp_path, wrap) -> None:  # type: ignore[no-untyped-def]
    torch.save(wrap(Bomb(tmp_path / "boom")), tmp_path / "net.pth")
    with pytest.raises(CheckpointUnreadable, match=r"holds more than weights .*it calls"):
        read_checkpoint(tmp_path / "net.pth")
    assert not (tmp_path / "boom").exists()


def test_a_bare_pickle_bomb_is_refused_and_does_not_go_off(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "boom"), protocol=2))
    with pytest.raises(CheckpointUnreadable):
        read_checkpoint(tmp_path / "net.pt")
    assert not (tmp_path / "boom").exists()


def test_a_whole_pickled_network_is_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "net.pth")
    with pytest.raises(CheckpointUnreadable, match=r"save model\.state_dict\(\)"):
        read_checkpoint(tmp_path / "net.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello", bytes(100)])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointUnreadable, match=r"net\."):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(weights(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointUnreadable, match="damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [({"epoch": 3}, "no state dict but"), ([1, 2], "but list"), (torch.zeros(3), "but Tensor")],
)
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object, says: str) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(CheckpointUnreadable, match=says):
        read_checkpoint(tmp_path / "net.pth")


def test_a_missing_file_a_folder_and_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointUnreadable, match="missing"):
        read_checkpoint(tmp_path / "none.pth")
    with pytest.raises(CheckpointUnreadable, match="folder"):
        read_checkpoint(tmp_path)
    (tmp_path / "net.h5").touch()
    with pytest.raises(CheckpointUnreadable, match=r"ends in \.h5, expected one of \.safetensors"):
        read_checkpoint(tmp_path / "net.h5")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>404: not found</body></html>", "a web page"),
        (b"\n  <html lang='en'>", "a web page"),
        (POINTER, "a Git LFS pointer"),
        (b'{"message": "Not Found"}', "text, not a network's file"),
        (b"", "empty"),
    ],
)
def test_a_failed_download_is_called_so(
    tmp_path: Path, suffix: str, content: bytes, words: str
) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointUnreadable, match=words) as raised:
        read_checkpoint(path)
    assert "run any code" not in str(raised.value)


def test_another_kind_of_file_is_not_called_dangerous(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with pytest.raises(CheckpointUnreadable, match=r"no PyTorch checkpoint: .* bytes 89 50"):
        read_checkpoint(path)


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_archive_is_refused_without_advice_to_run_code(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.jit.save(torch.jit.script(network()), path)
    with pytest.raises(CheckpointUnreadable, match="a TorchScript archive") as raised:
        read_checkpoint(path)
    assert "weights_only" not in str(raised.value)


@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_dense_floats_are_named(tmp_path: Path) -> None:
    own = weights()
    own["0.weight"] = torch.quantize_per_tensor(own["0.weight"], 0.01, 0, torch.qint8)
    own["0.bias"] = own["0.bias"].to_sparse()
    torch.save(own, tmp_path / "net.pth")
    with pytest.raises(
        CheckpointMismatch,
        match=r"2 not stored as dense .*0\.weight \(quantised, qint8\), 0\.bias \(sparse",
    ):
        load(tmp_path / "net.pth")


def test_the_prefix_of_a_part_that_was_compiled_alone_is_taken_off(tmp_path: Path) -> None:
    wrapped = {key.replace("0.", "0._orig_mod.", 1): value for key, value in weights().items()}
    torch.save(wrapped, tmp_path / "net.pth")
    assert load(tmp_path / "net.pth").unwrapped == ("_orig_mod.",)
