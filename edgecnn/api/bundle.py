"""A bundle as a value of the Python API."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgecnn_runtime.manifest import Manifest


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, by its path: nothing of it stays open.

    Attributes:
        labels: class names in class order; empty where it is no classifier.
    """

    path: Path
    manifest: Manifest
    labels: tuple[str, ...]


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """A bundle by its path.

    Raises:
        BundleError: the file is missing, no bundle, or damaged.
    """
    return bundle_of(Path(path))


def bundle_of(path: Path) -> Bundle:
    """The bundle in a file."""
    from edgecnn_runtime.bundle import Bundle as BundleFile

    with BundleFile(path) as opened:
        return Bundle(path, opened.manifest, opened.labels())
