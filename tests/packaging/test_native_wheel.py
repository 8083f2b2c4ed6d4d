"""The wheel of edgecnn-native: one platform, any Python 3, a small library that needs only libc."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest
from distributions import build, find_wheel, release_files, run
from native_plans import brightest_plan

ONE_OF_ITS_OWN = """
import sys
sys.path.insert(0, {folder!r})
import edgecnn_native, numpy
assert edgecnn_native.__file__.startswith({folder!r})
with edgecnn_native.Model({plan!r}) as model:
    (logits,) = model.run([numpy.ones((1, 3, 4, 4), numpy.float32)])
print(logits.tolist(), sorted({{"torch", "onnx", "edgecnn", "edgecnn_runtime"}} & {{*sys.modules}}))
"""


EM_AARCH64 = 183


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_wheel(release_files(tmp_path_factory), "edgecnn_native")


def library(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith((".so", ".dylib"))]
        return archive.read(name)


def test_it_holds_the_package_the_header_a_library_and_the_one_for_browsers(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    libraries = [name for name in names if not name.endswith((".py", ".typed", ".h", ".c"))]
    assert "edgecnn_native/edgecnn_native.wasm" in libraries
    assert len(libraries) == 2
    assert {
        "edgecnn_native/__init__.py",
        "edgecnn_native/py.typed",
        "edgecnn_native/include/edgecnn_native.h",
        "edgecnn_native/src/kernels/portable.c",
    } <= set(names)
    # What needs a system, and kernels of other processors, are in the library alone.
    assert not {name for name in names if name.endswith(("file.c", "profile.c")) or "avx" in name}


def test_it_is_small_and_for_any_python_of_its_platform(wheel: Path) -> None:
    assert wheel.stat().st_size < 400_000
    assert re.fullmatch(r"edgecnn_native-[\d.]+-py3-none-(?!any).+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        (facts,) = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
        assert "Root-Is-Purelib: false" in archive.read(facts).decode()


@pytest.mark.skipif(sys.platform != "linux", reason="reads an ELF file")
def test_the_library_needs_no_python_no_cpp_and_an_old_glibc(wheel: Path) -> None:
    content = library(wheel)
    assert not re.search(rb"\0(_?Py[A-Z]\w+|libstdc\+\+|libpython|libgomp)", content)
    versions = {
        tuple(map(int, each.split(b"."))) for each in re.findall(rb"GLIBC_([\d.]+)", content)
    }
    assert max(versions) <= (2, 17, 0)


def test_the_module_for_browsers_is_small_and_imports_nothing(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read("edgecnn_native/edgecnn_native.wasm")
    assert content[:8] == b"\0asm\1\0\0\0"
    assert len(content) < 150_000
    # The section of types is the first; the second is that of imports, where there are any.
    size, shift, at = 0, 0, 9
    while True:
        size |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 0x80:
            break
    assert content[8] == 1
    assert content[at + size] != 2


def test_it_runs_a_plan_with_numpy_alone(wheel: Path, tmp_path: Path) -> None:
    folder, plan = tmp_path / "unpacked", tmp_path / "model.int8.plan"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    plan.write_bytes(brightest_plan())
    code = ONE_OF_ITS_OWN.format(folder=str(folder), plan=str(plan))
    ran = run(sys.executable, "-c", code)
    assert ran.stdout == "[[3.0, 3.0, 3.0]] []\n", ran.stderr


@pytest.mark.slow
def test_it_is_compiled_for_another_platform(tmp_path: Path) -> None:
    build("native", tmp_path, "--wheel", platform="linux-aarch64")
    (wheel,) = tmp_path.iterdir()
    assert wheel.name.endswith("-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl")
    assert wheel.stat().st_size < 400_000
    assert int.from_bytes(library(wheel)[18:20], "little") == EM_AARCH64
