"""Bundles with another manifest, other members, or another zip method than edgecnn writes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from conftest import contents

from edgecnn_runtime.bundle.write import write_bundle

Edit = Callable[[dict[str, Any]], object]


def edit_manifest(bundle: Path, edit: Edit) -> Path:
    """The bundle again, with its manifest changed and nothing else."""
    members = members_of(bundle)
    document = json.loads(members["manifest.json"])
    edit(document)
    members["manifest.json"] = json.dumps(document).encode()
    return write_members(bundle.with_name("edited.edge"), members)


def members_of(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def bundle_with(folder: Path, files: dict[str, bytes], **fields: object) -> Path:
    """A bundle for the fake engine with other files and other fields of the manifest."""
    manifest, own = contents()
    path = folder / "with.edge"
    write_bundle(path, replace(manifest, **fields), own | files)  # type: ignore[arg-type]
    return path
