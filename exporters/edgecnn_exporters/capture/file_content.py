"""Recognition of files that are no networks: web pages, Git LFS pointers, archives."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from edgecnn_runtime.file_kind import text_content

_BEGIN = 512


def other_content(path: Path) -> str | None:
    """What the file plainly is instead of weights or a network, in words, with the next step.

    Empty, a web page, a Git LFS pointer, other text, or a program of TorchScript or `torch.export`;
    None where it is none of these.
    """
    with path.open("rb") as stream:
        begin = stream.read(_BEGIN)
    return text_content(begin, "a network's file") or _archive(path)


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
