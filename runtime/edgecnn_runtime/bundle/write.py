"""Writer of a bundle: a zip archive with its manifest. docs/bundle.md is the specification."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.bundle.outside import SUFFIX
from edgecnn_runtime.bundle.read import MANIFEST
from edgecnn_runtime.bundle.text import encodable
from edgecnn_runtime.manifest import FileRecord, Manifest

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date of the zip format: equal content, equal bytes


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Write `files` and their manifest as one bundle, whole or not at all.

    The same manifest and files give the same bytes. Members are stored, not deflated: weights do
    not compress, and a device opens the bundle without inflating it.

    Returns:
        The manifest as written, with the record of every file.

    Raises:
        OutputNotWritable: the folder is missing, not writable, or full.
    """
    with replace_file(path) as stream:
        return _write(stream, manifest, files)


def _write(stream: BinaryIO, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    records = {name: record(content) for name, content in sorted(files.items())}
    complete = replace(manifest, files=records)
    document = json.dumps(encodable(complete.to_json()), indent=1, ensure_ascii=False) + "\n"
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(_member(MANIFEST), document)
        for name, content in sorted(files.items()):
            archive.writestr(_member(name), content)
    return complete


@dataclass(frozen=True)
class Contents:
    """Contents of a bundle, and of the file of golden examples beside it.

    Attributes:
        manifest: without its file records.
        files: content by path in the bundle.
        outside: content by path in the file beside it; empty where there is none.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    outside: Mapping[str, bytes] = field(default_factory=dict)


def write_contents(path: Path, contents: Contents) -> Manifest:
    """Write a bundle and, where there is one, ``NAME.golden`` beside it: both or neither.

    Raises:
        OutputNotWritable: as `write_bundle` says.
    """
    manifest = contents.manifest
    # Where its examples are not at hand, the file that the bundle lists stays as it is.
    if manifest.outside is None or (not contents.outside and manifest.outside.record.sha256):
        return write_bundle(path, manifest, contents.files)
    beside = path.with_suffix(SUFFIX)
    content = _zip(contents.outside)
    outside = replace(manifest.outside, file=encodable(beside.name), record=record(content))
    with replace_file(path) as stream:
        complete = _write(stream, replace(manifest, outside=outside), contents.files)
        # A full disk shows here, before the file beside it is replaced.
        stream.flush()
        os.fsync(stream.fileno())
        with replace_file(beside) as other:
            other.write(content)
    return complete


def _zip(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip archive, the same bytes for the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in sorted(files.items()):
            archive.writestr(_member(name), content)
    return stream.getvalue()


def record(content: bytes) -> FileRecord:
    """Size and sha256 of a file's content."""
    return FileRecord(len(content), hashlib.sha256(content).hexdigest())


def npy(array: Array) -> bytes:
    """The array as the bytes of a ``.npy`` file."""
    stream = io.BytesIO()
    np.save(stream, np.asarray(array, order="C"), allow_pickle=False)
    return stream.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, EPOCH)
    member.external_attr = 0o644 << 16
    member.create_system = 3  # Unix, wherever it is written
    return member
