"""The agent that a bench copies to a device: the runtime as one zipapp of about 200 kB."""

from __future__ import annotations

import zipfile
from importlib import resources
from pathlib import Path

# Readable by an older Python, so that it can report what is wrong.
MAIN = """\
import sys
if sys.version_info < (3, 11):
    sys.exit("edgecnn_runtime: this is Python %s, expected 3.11 or newer" % sys.version.split()[0])
from edgecnn_runtime.agent import main
main()
"""


def write_agent(path: Path) -> int:
    """Write the zipapp; any Python with numpy and an engine runs it. Returns its size in bytes.

    The same sources make the same bytes, so a board that has the file is not sent it again.
    """
    with (
        resources.as_file(resources.files("edgecnn_runtime")) as package,
        path.open("wb") as stream,
    ):
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            _add(archive, "__main__.py", MAIN.encode())
            for source in sorted(package.rglob("*.py")):
                name = f"edgecnn_runtime/{source.relative_to(package)}"
                _add(archive, name, source.read_bytes())
    path.chmod(0o755)
    return path.stat().st_size


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # A ZipInfo of its own is dated 1980, whenever that is done.
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)
