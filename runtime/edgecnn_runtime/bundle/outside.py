"""Golden examples in a file beside the bundle, ``NAME.golden``.

They are inputs of the user's, faces or patients perhaps, and so are never packed unasked. The
bundle holds the digest of the file alone; whoever has both verifies with both.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn_runtime.bundle.archive import list_members, open_archive, read_member
from edgecnn_runtime.bundle.golden_arrays import GoldenArrays, golden_arrays
from edgecnn_runtime.errors import DigestMismatch, GoldenInvalid
from edgecnn_runtime.manifest import Manifest, OutsideGolden

SUFFIX = ".golden"


@dataclass(frozen=True)
class OutsideExamples:
    """The file of golden examples beside a bundle; its digest is checked."""

    path: str
    manifest: Manifest
    golden: OutsideGolden

    def __iter__(self) -> Iterator[GoldenArrays]:
        with open_archive(self.path) as archive:
            members = list_members(archive)

            def read(name: str) -> bytes:
                if name not in members:
                    raise GoldenInvalid(f"{self.path} holds no {name}, which the bundle lists")
                return read_member(archive, members[name], members[name].file_size)

            for entry in self.golden.examples:
                yield golden_arrays(self.path, self.manifest, entry, read)


def outside_path(bundle: str, manifest: Manifest) -> Path | None:
    """Path of the file of golden examples beside a bundle; None where there is none."""
    if manifest.outside is None:
        return None
    # The name is UTF-8, whatever the locale's encoding is.
    name = os.fsdecode(manifest.outside.file.encode("utf-8", "surrogatepass"))
    path = Path(bundle).parent / name
    return path if path.is_file() else None


def open_outside(bundle: str, manifest: Manifest) -> OutsideExamples | None:
    """The golden examples beside a bundle; None where there is no such file.

    Raises:
        DigestMismatch: the file is not the one that the manifest lists.
    """
    path = outside_path(bundle, manifest)
    if path is None or manifest.outside is None:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != manifest.outside.record.sha256:
        raise DigestMismatch(
            f"{path} has sha256 {digest.hexdigest()[:12]}…, {bundle} lists "
            f"{manifest.outside.record.sha256[:12]}…; it belongs to another export: export again, "
            "or move it away"
        )
    return OutsideExamples(str(path), manifest, manifest.outside)
