"""Source of the C library for processors without a system: no threads, files, clock, allocation."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
# They need a system.
LEFT_OUT = frozenset({"file.c", "profile.c"})
# Kernels of processors that have one.
OTHERS = frozenset({"x86", "arm", "armv7", "wasm"})


def freestanding_source() -> dict[str, str]:
    """Text of each file by its path: header, library, portable kernels and those of Cortex-M.

    Compile with ``-DEDGECNN_FREESTANDING -DEDGECNN_NO_THREADS``, and ``include`` as a folder of
    headers.
    """
    # A wheel holds the sources in the package, a clone beside it.
    root = PACKAGE if (PACKAGE / "src").is_dir() else PACKAGE.parent
    return {name: (root / name).read_text(encoding="utf-8") for name in freestanding_files(root)}


def freestanding_files(root: Path) -> list[str]:
    """Paths of these files below `root`."""
    files = [*(root / "include").glob("*.h"), *(root / "src").rglob("*.[ch]")]
    return sorted(
        path.relative_to(root).as_posix()
        for path in files
        if path.name not in LEFT_OUT and not OTHERS.intersection(path.relative_to(root).parts)
    )
