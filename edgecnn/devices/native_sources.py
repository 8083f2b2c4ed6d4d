"""Sources of edgecnn-native in a clone: their digest, and builds of them for boards by zig.

An edgecnn that was installed from a wheel has no such sources; then all of this is None.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from edgecnn.devices.build_once import build_once
from edgecnn.errors import NativeBuildFailed

CLONE = Path(__file__).parents[2]
# Files that decide the bytes of a build, below native/.
PATTERNS = (
    *("*.py", "*.toml", "*.md", "LICENSE", "edgecnn_native/*.py"),
    *("src/**/*", "agent/**/*", "include/**/*"),
)
TIMEOUT_S = 600
WITHOUT_ZIG = "no zig to compile edgecnn-native with: pip install ziglang"


def native_sources() -> Path | None:
    """The clone's folder ``native``; None where edgecnn runs from no clone."""
    folder = CLONE / "native"
    return folder if (folder / "wheels.py").is_file() else None


@cache
def zig_version() -> str | None:
    """Version of the package ziglang; None where it is not installed."""
    try:
        return metadata.version("ziglang")
    except metadata.PackageNotFoundError:
        return None


def build_native(script: str, platform: str) -> Path:
    """The file that a script of the clone's ``native`` builds, made once for the same sources.

    Args:
        script: such as ``wheels.py``; takes ``-o FOLDER`` and a platform.
        platform: of native/platforms.py.

    Raises:
        NativeBuildFailed: there is no zig, or it refuses the sources; the message has its words.
    """
    sources = native_sources()
    assert sources is not None, "asked for in a clone alone"
    if zig_version() is None:
        raise NativeBuildFailed(WITHOUT_ZIG)
    recipe = f"{_digest(sources)} {zig_version()} {script} {platform}"

    def build(folder: Path) -> None:
        ran = subprocess.run(
            [sys.executable, str(sources / script), "-o", str(folder), platform],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
        if ran.returncode != 0:
            lines = [line.strip() for line in ran.stderr.splitlines() if line.strip()]
            reason = lines[-1][:300] if lines else "no reason"
            raise NativeBuildFailed(
                f"edgecnn-native is not built for {platform}: {reason}; "
                f"to see all: python native/{script} {platform}"
            )

    folder = build_once(f"{Path(script).stem}-{platform}", recipe, build, "native")
    return next(path for path in folder.iterdir() if path.is_file())


def _digest(sources: Path) -> str:
    """Of the names and bytes of `PATTERNS`, and of the version."""
    files = [path for pattern in PATTERNS for path in sources.glob(pattern)]
    files += [CLONE / "runtime/edgecnn_runtime/__init__.py"]
    digest = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file()):
        digest.update(f"{path.relative_to(CLONE)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
