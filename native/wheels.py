"""Wheels of edgecnn-native for every platform, and the module for wasm32: time and size of each.

python native/wheels.py [-o dist] [PLATFORM …]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compile import LIBRARIES, ROOT, CompilerFailed, compile_library, project_version
from platforms import PLATFORMS, Platform


def build_wheel(wanted: Platform, folder: Path) -> Path:
    """The wheel of a platform in `folder`; its bare library, elsewhere, where it has no tag.

    Raises:
        CompilerFailed: the library or the wheel cannot be made.
    """
    if not wanted.tag:
        library, _ = compile_library(wanted, LIBRARIES / wanted.name, project_version())
        return library
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", scratch]
        ran = subprocess.run(
            [*command, str(ROOT)],
            env=os.environ | {"EDGECNN_NATIVE_PLATFORM": wanted.name},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise CompilerFailed(f"{wanted.name}:\n{ran.stdout}{ran.stderr}")
        (wheel,) = Path(scratch).glob("*.whl")
        return wheel.replace(folder / wheel.name)


def main() -> int:
    """Build them one after another; 1 where one cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT.parent / "dist")
    names = ", ".join(PLATFORMS)
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=names)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.platforms if name not in PLATFORMS]:
        parser.error(f"there is no platform {unknown[0]}; there are {names}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    failures = []
    for name in arguments.platforms or PLATFORMS:
        begin = time.monotonic()
        try:
            built = build_wheel(PLATFORMS[name], arguments.output)
        except CompilerFailed as error:
            failures.append(str(error))
            continue
        seconds, size = time.monotonic() - begin, built.stat().st_size
        print(f"{name:<16} {seconds:5.0f} s {size / 1000:6.0f} kB  {built.name}", flush=True)
    print("\n".join(failures), file=sys.stderr)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
