"""Bundles that a command would replace: what of them would be lost."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgecnn.errors import OverwriteRefused
from edgecnn_exporters.bundle.text import encodable
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import BundleError
from edgecnn_runtime.manifest import Artefact, Manifest

SUFFIX = ".edge"
# Files that a bundle holds, which some expect a command to write.
MODEL_SUFFIXES = (".onnx", ".tflite", ".xml", ".bin")
# Artefacts that are named in one message.
_NAMED = 4

Planned = Collection[tuple[str, str]]
"""Artefacts of the new bundle: (format, precision), or (target, "") of compiled ones."""


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
