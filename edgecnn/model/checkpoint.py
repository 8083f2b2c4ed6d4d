"""Loading checkpoints in the forms in which they are published."""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import CheckpointMismatch, CheckpointUnreadable
from edgecnn.model.content import refuse_other_content
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.file_kind import other_than_file

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")

# Where a training script keeps the weights in what it saves, best first: averaged weights (EMA)
# are those that the published accuracy was measured with.
_WRAPPERS = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema",
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "params",
)
# What wrapping a module puts before every key: DataParallel and EMA, torch.compile, Lightning.
_COMPILED = "_orig_mod."
_PREFIXES = ("module.", _COMPILED, "model.", "net.")
# Counters that carry no weight: BatchNorm's (absent before PyTorch 0.4.1) and AveragedModel's.
COUNTERS = ("num_batches_tracked", "n_averaged")
_LISTED = 4
# How a file of torch.save begins: a zip archive, before PyTorch 1.6 a pickle.
_ZIP, _PICKLE = b"PK", b"\x80"


@dataclass(frozen=True)
class StateDict:
    """Weights by key, and the wrappers removed to reach them, outermost first."""

    weights: dict[str, torch.Tensor]
    unwrapped: tuple[str, ...]


def read_checkpoint(path: Path) -> StateDict:
    """The weights in a ``.safetensors`` or PyTorch file. No code in the file is ever run.

    Raises:
        CheckpointUnreadable: missing, damaged, of another format, or a pickle that holds code.
    """
    problem = other_than_file(path) or (None if path.exists() else "missing")
    if problem is not None:
        raise CheckpointUnreadable(f"checkpoint {path} is {problem}, expected a file of weights")
    if path.suffix not in SUFFIXES:
        raise CheckpointUnreadable(
            f"checkpoint {path} ends in {path.suffix or 'nothing'}, "
            f"expected one of {', '.join(SUFFIXES)}"
        )
    refuse_other_content(path)
    if path.suffix == ".safetensors":
        return _unwrap(read_safetensors(path), path)
    return _unwrap(_read_torch(path), path)


def load_checkpoint(module: torch.nn.Module, checkpoint: StateDict, name: str) -> StateDict:
    """Copy the weights into `module`, every one of them; prefixes of wrappers are taken off.

    Returns:
        The checkpoint with the keys of `module`.

    Raises:
        CheckpointMismatch: keys are missing or unexpected, or shapes differ; lists them.
    """
    own = module.state_dict()
    checkpoint = strip_prefixes(checkpoint, set(own))
    given = {k: v for k, v in checkpoint.weights.items() if k in own or not k.endswith(COUNTERS)}
    missing = [k for k in own if k not in given and not k.endswith(COUNTERS)]
    unexpected = [k for k in given if k not in own]
    shapes = [
        f"{key} {_shape(given[key])} against {_shape(own[key])}"
        for key in own
        if key in given and given[key].shape != own[key].shape
    ]
    stored = [f"{key} ({kind})" for key in given if (kind := _storage(given[key], own.get(key)))]
    faults = [
        f"{len(keys)} {what}: {', '.join(keys[:_LISTED])}{', …' if len(keys) > _LISTED else ''}"
        for what, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape (checkpoint against network)", shapes),
            ("not stored as dense floats (save the float network, or .to_dense())", stored),
        )
        if keys
    ]
    if faults:
        raise CheckpointMismatch(f"{name} does not fit the network: {'; '.join(faults)}")
    module.load_state_dict(given, strict=False)
    return StateDict(given, checkpoint.unwrapped)


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file.

    Raises:
        CheckpointUnreadable: missing, damaged, or of another format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointUnreadable(f"{path} is not a safetensors file: {error}") from error


def _read_torch(path: Path) -> object:
    import pickle

    import torch

    with path.open("rb") as stream:
        begin = stream.read(2)
    if begin != _ZIP and begin[:1] != _PICKLE:
        raise CheckpointUnreadable(
            f"{path} is no PyTorch checkpoint: it begins with the bytes {begin.hex(' ')}, neither "
            "a zip archive nor a pickle; look what was saved there"
        )
    if begin == _ZIP:
        _refuse_compressed(path)
    try:
        # PyTorch warns of quantised tensors, which are refused in words of our own.
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's message advises weights_only=False, which is how such files run their code.
        raise CheckpointUnreadable(
            f"{path} holds more than weights ({_refused(error)}) and is refused: loading it could "
            "run any code; where it was made, save model.state_dict(), best as .safetensors"
        ) from error
    # A damaged pickle raises what its broken program runs into, IndexError and TypeError too.
    except Exception as error:
        # Here too: whoever follows torch's advice runs the file's code.
        words = first_line(error)
        reason = "it holds more than tensors" if "weights_only" in words else words
        raise CheckpointUnreadable(
            f"{path} is damaged or no PyTorch checkpoint: {reason}"
        ) from error


def _refuse_compressed(path: Path) -> None:
    """Refuse compressed weights: torch.save stores them, and a bomb inflates a thousand times."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.compress_type != zipfile.ZIP_STORED]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise CheckpointUnreadable(
            f"{path} is damaged or no PyTorch checkpoint: {first_line(error)}"
        ) from error
    if members:
        raise CheckpointUnreadable(
            f"{path}: {members[0].filename} is compressed, which torch.save never does; save it "
            "again with torch.save, or best as .safetensors"
        )


def _refused(error: Exception) -> str:
    """The forbidden global of a pickle, out of torch's error message."""
    match = re.search(r"GLOBAL (\S+)", str(error))
    return f"it calls {match[1]}" if match else "it is not a plain state dict"


def _unwrap(content: object, path: Path) -> StateDict:
    unwrapped: list[str] = []
    # Bounded, because a dictionary may hold itself.
    while isinstance(content, Mapping) and not _is_state_dict(content):
        if len(unwrapped) == len(_WRAPPERS):
            raise CheckpointUnreadable(
                f"{path} wraps its weights {len(unwrapped)} times ({' → '.join(unwrapped)}), or "
                "without an end; save model.state_dict() alone"
            )
        key = next((k for k in _WRAPPERS if isinstance(content.get(k), Mapping)), None)
        if key is None:
            break
        unwrapped.append(key)
        content = content[key]
    if not isinstance(content, Mapping) or not _is_state_dict(content):
        summary = (
            list(content)[:_LISTED] if isinstance(content, Mapping) else type(content).__name__
        )
        raise CheckpointUnreadable(f"{path} holds no state dict but {summary}")
    return StateDict(dict(content), tuple(unwrapped))


def strip_prefixes(checkpoint: StateDict, own: set[str]) -> StateDict:
    """Take wrappers' prefixes off the keys for as long as none of them is one of `own`.

    That of torch.compile goes wherever it stands: a part of a network may be compiled alone.
    """
    weights, unwrapped = checkpoint.weights, checkpoint.unwrapped
    inner = f".{_COMPILED}"
    if any(inner in key for key in weights) and not any(inner in key for key in own):
        weights = {key.replace(inner, "."): value for key, value in weights.items()}
        unwrapped = (*unwrapped, _COMPILED)
    while own.isdisjoint(weights) and (prefix := _common_prefix(weights)):
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
        unwrapped = (*unwrapped, prefix)
    return StateDict(weights, unwrapped)


def _is_state_dict(content: Mapping[Any, Any]) -> bool:
    import torch

    return bool(content) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    )


def _common_prefix(weights: Mapping[str, torch.Tensor]) -> str | None:
    keys = [key for key in weights if not key.endswith("n_averaged")]
    return next((p for p in _PREFIXES if keys and all(k.startswith(p) for k in keys)), None)


def _storage(tensor: torch.Tensor, weight: torch.Tensor | None) -> str | None:
    """How the tensor is stored where it cannot be copied into `weight`; None of a usual one."""
    import torch

    if tensor.is_quantized:
        return f"quantised, {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.layout is not torch.strided:
        return f"sparse, {str(tensor.layout).removeprefix('torch.')}"
    if tensor.is_meta:
        return "without values, on the meta device"
    if weight is not None and weight.is_floating_point() and not tensor.is_floating_point():
        return str(tensor.dtype).removeprefix("torch.")
    return None


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
