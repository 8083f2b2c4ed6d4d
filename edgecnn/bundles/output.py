"""Output of an export or a compilation: the path of a bundle, and what it would replace there."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from edgecnn.errors import OverwriteRefused
from edgecnn_runtime.atomic import check_writable
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.text import encodable
from edgecnn_runtime.errors import BundleError, OutputNotWritable
from edgecnn_runtime.manifest import Artefact, Manifest

SUFFIX = ".edge"
# Files that a bundle holds, which some expect an export to write.
MODEL_SUFFIXES = (".onnx", ".tflite", ".xml", ".bin", ".plan")
# Artefacts that are named in one message.
_NAMED = 4

Planned = Collection[tuple[str, str]]
"""Artefacts that an export makes: (format, precision), or (target, "") of compiled ones."""


def output_path(output: Path | None, name: str, what: str = "an export") -> Path:
    """The path of the bundle: `output`, NAME.edge in it where it is a folder, or NAME.edge here.

    Args:
        what: that writes it, for messages.

    Raises:
        OutputNotWritable: it has another suffix, is a folder that is not there, or not writable.
    """
    path = Path(f"{name}{SUFFIX}") if output is None else output
    if path.is_dir():
        path = path / f"{name}{SUFFIX}"
    if words := other_file_words(path, what):
        raise OutputNotWritable(words)
    if not path.suffix and not path.exists():
        raise OutputNotWritable(
            f"cannot write {path}: it is neither NAME{SUFFIX} nor a folder that is there; give "
            f"-o {path}{SUFFIX}, or mkdir {path} first"
        )
    check_writable(path)
    return path


def behind_link(path: Path) -> Path:
    """The bundle that a link leads to; any other path as it is."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def other_file_words(output: Path, what: str) -> str | None:
    """Why an output with the suffix of another file is refused; None for NAME.edge, or no suffix.

    Args:
        what: that writes it, as ``an export``.
    """
    suffix = output.suffix.lower()
    if suffix in ("", SUFFIX):
        return None
    # A version such as net-1.5 is no suffix to replace.
    is_version = any(letter.isdigit() for letter in suffix)
    bundle = output.with_name(f"{output.name}{SUFFIX}" if is_version else f"{output.stem}{SUFFIX}")
    if suffix not in MODEL_SUFFIXES:
        return f"cannot write {output}: {what} writes a bundle, NAME{SUFFIX}; give -o {bundle}"
    return (
        f"cannot write {output}: {what} writes a bundle, which holds the {suffix} file; give "
        f"-o {bundle}, then: edgecnn bundle extract {bundle} -o DIR"
    )


def refuse_loss(path: Path, name: str, planned: Planned) -> None:
    """Refuse to replace a bundle of another network, or one that has more than is planned.

    Raises:
        OverwriteRefused: names what would be lost.
    """
    if not path.is_file():
        return
    try:
        with Bundle(path) as bundle:
            manifest = bundle.manifest
    except BundleError:  # no bundle, or a damaged one: nothing that could be used is lost
        return
    way = f"give --force to replace it, or -o another{SUFFIX}"
    if manifest.name != encodable(name):
        raise OverwriteRefused(f"{path} is a bundle of {manifest.name}, not of {name}; {way}")
    if lost := _lost(manifest, planned):
        rest = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise OverwriteRefused(
            f"{path} holds {', '.join(lost[:_NAMED])}{rest}, which would not be in the new one; "
            f"{way}"
        )


def _lost(manifest: Manifest, planned: Planned) -> list[str]:
    return [each.path for each in manifest.artefacts if kind_of(each) not in planned]


def kind_of(artefact: Artefact) -> tuple[str, str]:
    """(format, precision) of an artefact; (target, "") of a compiled one."""
    return (artefact.format, artefact.precision) if not artefact.target else (artefact.target, "")
