"""The native library for its tests: the project's own build, or one made for the session."""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from native.binding import Library

ROOT = Path(__file__).parents[2] / "native"
AVX2 = ("-mavx2", "-mfma")
AVX512 = ("f", "bw", "vl", "dq", "vnni", "vbmi")
FLAGS = {"avx512": (*AVX2, *(f"-mavx512{each}" for each in AVX512)), "avx": AVX2}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """What edgecnn_native loads; where it has not been compiled, the sources by any compiler."""
    return Library(_project_build() or _compile(tmp_path_factory.mktemp("native")))


def _project_build() -> Path | None:
    if find_spec("edgecnn_native") is None:
        return None
    path = Path(importlib.import_module("edgecnn_native").LIBRARY)
    return path if path.is_file() else None


def _compile(folder: Path) -> Path:
    """Compile the sources, file by file as each family has flags of its own."""
    compiler = [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"]
    if find_spec("ziglang") is None:
        found = next((path for path in map(shutil.which, ("clang", "gcc", "cc")) if path), None)
        if found is None:
            pytest.skip("edgecnn-native is not compiled, and there is no C compiler")
        compiler = [found]
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    others = ("arm", "neon", "dotprod", "processor_arm") if x86 else ("avx", "x86", "processor_x86")
    sources = [path for path in (ROOT / "src").rglob("*.c") if not path.name.startswith(others)]
    jobs = []
    for number, source in enumerate(sources):
        own = next((FLAGS[name] for name in FLAGS if source.name.startswith(name)), ())
        common = ("-std=gnu11", "-O1", "-fPIC", "-ffp-contract=off", "-pthread")
        command = [*compiler, *common, *own, "-c", str(source), "-o", str(folder / f"{number}.o")]
        jobs.append(subprocess.Popen(command))
    assert not any(job.wait() for job in jobs), "the native library does not compile"
    path = folder / "libedgecnn_native.so"
    objects = [str(each) for each in folder.glob("*.o")]
    subprocess.run([*compiler, "-shared", "-pthread", *objects, "-o", path, "-lm"], check=True)
    return path
