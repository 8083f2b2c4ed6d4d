"""The agent that a bench copies to a device: the runtime as one zipapp of a few kB."""

from __future__ import annotations

import zipfile
from importlib import resources
from pathlib import Path

# What an older Python can read, so that it can say what is wrong.
MAIN = """\
import sys
if sys.version_info < (3, 11):
    sys.exit("edgecnn_runtime: this is Python %s, expected 3.11 or newer" % sys.version.split()[0])
from edgecnn_runtime.__main__ import main
main()
"""


def write_agent(path: Path) -> int:
    """Write the zipapp; any Python with numpy and an engine runs it. Returns its size in bytes."""
    with (
        resources.as_file(resources.files("edgecnn_runtime")) as package,
        path.open("wb") as stream,
    ):
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr("__main__.py", MAIN)
            for source in sorted(package.rglob("*.py")):
                archive.write(source, f"edgecnn_runtime/{source.relative_to(package)}")
    path.chmod(0o755)
    return path.stat().st_size
