"""The native library for its tests: the project's own build, or one made for the session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from native.binding import Library

ROOT = Path(__file__).parents[2] / "native"


@pytest.fixture(scope="session")
def library_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What edgecnn_native loads; where it has not been compiled, the sources by any compiler."""
    built = ROOT / "edgecnn_native/libedgecnn_native.so"
    if built.is_file():
        return built
    sys.path.insert(0, str(ROOT))
    try:
        from compile import CompilerFailed, compile_library
        from platforms import this_platform
    finally:
        sys.path.remove(str(ROOT))
    try:
        return compile_library(this_platform(), tmp_path_factory.mktemp("native"), "0")[0]
    except CompilerFailed as error:
        pytest.skip(f"edgecnn-native is not compiled: {error}")


@pytest.fixture(scope="session")
def library(library_path: Path) -> Library:
    """Its functions."""
    return Library(library_path)
