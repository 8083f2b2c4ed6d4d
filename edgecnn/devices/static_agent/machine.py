"""Facts and state of a board from the files that the static agent printed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

from edgecnn_runtime.host.facts import read_host, read_state

MOST_FILES = 4096


def host_and_state(machine: Mapping[str, Any]) -> dict[str, Any]:
    """The fields ``host`` and ``state`` of an agent's event, as JSON values.

    Args:
        machine: of the static agent's event: ``files`` by their path, and ``uname``'s words.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in list(machine["files"].items())[:MOST_FILES]:
            _write(root, name, text)
        host, state = read_host(root), read_state(root)
    # Android's may list no cores.
    is_listed = "processor" in machine["files"].get("proc/cpuinfo", "")
    host = replace(
        host,
        machine=machine["name"],
        system=f"{machine['system']} {machine['release']}",
        cores=host.cores if is_listed else machine["cores"],
        libc="musl, static",
        python="none (static agent)",
    )
    return {
        "host": asdict(host),
        "state": asdict(replace(state, own_seconds=machine["own_seconds"])),
    }


def _write(root: Path, name: str, text: str) -> None:
    """A file below `root`; a path that leads elsewhere is left out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    # The agent printed bytes as Latin-1.
    place.write_bytes(text.encode("latin-1", "replace"))
