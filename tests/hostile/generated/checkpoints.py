"""Checkpoints that run code, lie about sizes, or hold tensors that are no weights."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile.generated.case import (
    EdgeCNNError,
    Kind,
    Random,
    WronglyLoaded,
    command,
    no_plain_file,
)
from hostile.generated.manifests import pick

Action = Callable[[], None]


class _Evil:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, ("open('INJECTED', 'w').write('ran')",))


def exported(folder: Path, path: Path) -> Action:
    def use() -> None:
        os.chdir(folder)
        try:
            command("export", "lenet5", "--weights", path, "-o", "out.edge", "-q")
        except EdgeCNNError:
            if (folder / "INJECTED").exists():
                raise WronglyLoaded("code of the checkpoint ran") from None
            raise
        raise WronglyLoaded("it was taken for weights")

    return use


def pickled(random: Random, folder: Path) -> Action:
    import torch

    path = folder / "weights.pth"
    weight = torch.zeros(6, 1, 5, 5)
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    which = int(random.integers(11))
    values: tuple[Any, ...] = (
        {"features.0.weight": _Evil()},
        cyclic,
        {"features.0.weight": weight.to_sparse()},
        {"features.0.weight": torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)},
        {"features.0.weight": torch.empty(6, 1, 5, 5, device="meta")},
        {"features.0.weight": weight.to(torch.complex64)},
        {"features.0.weight": torch.full_like(weight, torch.nan)},
        [1, 2, 3],
        torch.nn.Linear(2, 2),
        {1: weight, ("a", 2): weight},
        {"features.0.weight": torch.zeros(1).expand(1 << 20, 1 << 20)},
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(values[which], path)
    return exported(folder, path)


def damaged(random: Random, folder: Path) -> Action:
    import torch

    stream = io.BytesIO()
    torch.save({"features.0.weight": torch.zeros(6, 1, 5, 5)}, stream)
    content = bytearray(stream.getvalue())
    if random.random() < 0.3:
        del content[int(random.integers(len(content))) :]
    else:
        for _ in range(int(random.integers(1, 6))):
            content[int(random.integers(len(content)))] = int(random.integers(256))
    path = folder / "weights.pth"
    path.write_bytes(content)
    return exported(folder, path)


def bare_pickle(random: Random, folder: Path) -> Action:
    path = folder / "weights.pth"
    content = pick(
        random,
        (pickle.dumps(_Evil()), b"\x80\x04.", b"(" * 200_000 + b".", b"", random.bytes(999)),
    )
    path.write_bytes(content)
    return exported(folder, path)


def safetensors(random: Random, folder: Path) -> Action:
    body = np.zeros(150, np.float32).tobytes()
    entry: dict[str, Any] = {"dtype": "F32", "shape": [6, 1, 5, 5], "data_offsets": [0, 600]}
    which = int(random.integers(10))
    changes: tuple[dict[str, Any], ...] = (
        {"dtype": "F99"},
        {"shape": [2**40, 2**40]},
        {"shape": [-6, 1, 5, 5]},
        {"data_offsets": [0, 2**60]},
        {"data_offsets": [600, 0]},
        {"shape": None},
    )
    header: Any = {"features.0.weight": {**entry, **(changes[which] if which < 6 else {})}}
    text = json.dumps(header).encode()
    if which == 6:
        text = b"[" * 300_000
    elif which == 7:
        text = b'{"__metadata__": {"edgecnn": "' + b"[" * 100_000 + b'"}}'
    length = {8: 2**62, 9: 3}.get(which, len(text))
    path = folder / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", length) + text + body)
    return exported(folder, path)


def zip_tricks(random: Random, folder: Path) -> Action:
    """A checkpoint is a ZIP too: a bomb, or storages that are not there."""
    path = folder / "weights.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/version", b"3\n")
        with archive.open("archive/data/0", "w") as member:
            for _ in range(int(random.integers(1, 512))):
                member.write(bytes(1 << 20))
    return exported(folder, path)


def no_file(random: Random, folder: Path) -> Action:
    return exported(folder, no_plain_file(random, folder / "weights.pth"))


KINDS = (
    Kind("checkpoint: no plain weights", pickled, 44),
    Kind("checkpoint: damaged", damaged, 50),
    Kind("checkpoint: bare pickle", bare_pickle, 15),
    Kind("checkpoint: safetensors that lie", safetensors, 40),
    Kind("checkpoint: bomb", zip_tricks, 6),
    Kind("checkpoint: pipe, device, folder", no_file, 10),
)
