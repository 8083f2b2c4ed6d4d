"""Recognition of files that are no networks: web pages, Git LFS pointers, archives."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

_BEGIN = 512
_LFS = b"version https://git-lfs.github.com/spec/"
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body", b"<!--")


def other_content(path: Path) -> str | None:
    """What the file plainly is instead of weights or a network, in words, with the next step.

    Empty, a web page, a Git LFS pointer, other text, or a program of TorchScript or `torch.export`;
    None where it is none of these.
    """
    with path.open("rb") as stream:
        begin = stream.read(_BEGIN)
    start = begin.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    again = "fetch the file itself again"
    if not begin:
        return f"empty, not a network's file: {again}"
    if start.startswith(_LFS):
        return f"a Git LFS pointer, not the file that it stands for: git lfs pull, or {again}"
    if start.startswith(_MARKUP):
        return f"a web page, not a network's file, as a failed download leaves it: {again}"
    if _is_text(begin):
        return f"text, not a network's file ({_first_words(begin)!r}): {again}"
    return _archive(path)


def _archive(path: Path) -> str | None:
    """The kind of a zip archive of PyTorch that holds code beside weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    # zipfile raises NotImplementedError for a version that no zip has.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return None  # no archive, or a damaged one, of which its reader says more
    if "constants.pkl" in names:
        return (
            "a TorchScript archive (torch.jit.save), a program rather than a file of weights; "
            "where it was made, save the network's state_dict(), best as .safetensors"
        )
    if any(name.endswith("exported_program.json") or name == "models/model.json" for name in names):
        return (
            "a program of torch.export (.pt2), not a file of weights; where it was made, save the "
            "network's state_dict(), best as .safetensors"
        )
    return None


def _is_text(begin: bytes) -> bool:
    """Whether all is printable: a pickle, a zip, a safetensors or an ONNX file has other bytes."""
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in begin)


def _first_words(begin: bytes) -> str:
    return begin.split(b"\n")[0].decode("ascii")[:40]
