"""The flags of kernel families, which three builds state: wheels, CMake, sanitisers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[3] / "native"


@pytest.fixture(scope="module")
def families() -> dict[str, set[str]]:
    sys.path.insert(0, str(NATIVE))
    try:
        from platforms import FAMILIES
    finally:
        sys.path.remove(str(NATIVE))
    return {name: set(flags) for each in FAMILIES.values() for name, flags in each.items() if flags}


def test_cmake_compiles_families_with_the_wheels_flags(families: dict[str, set[str]]) -> None:
    text = (NATIVE / "edgecnn_native.cmake").read_text()
    stated = re.findall(r"set\(EDGECNN_NATIVE_FLAGS_(\w+) ([^)]+)\)", text)
    assert {name: set(flags.split()) for name, flags in stated} == families
    (looped,) = re.findall(r"foreach\(family ([^)]+)\)", text)
    assert set(looped.split()) == set(families)


def test_sanitised_builds_have_the_wheels_flags(families: dict[str, set[str]]) -> None:
    for name, flags in families.items():
        rule = f"say:\n\t@echo $(call flags_of,../src/kernels/{name}_add.c)\n"
        command = ["make", "-s", "-f", "Makefile", "-f", "-", "say"]
        ran = subprocess.run(
            command, cwd=NATIVE / "fuzz", input=rule, capture_output=True, text=True, check=True
        )
        assert set(ran.stdout.split()) == flags, name


def test_every_build_leaves_out_the_kernels_of_other_architectures() -> None:
    folders = {path.name for path in (NATIVE / "src/kernels").iterdir() if path.is_dir()}
    filters = re.findall(r"/kernels/\(?([\w|]+)\)?/", (NATIVE / "edgecnn_native.cmake").read_text())
    assert {folder for each in filters for folder in each.split("|")} == folders
    for machine, own in (("x86_64", "x86"), ("aarch64", "arm"), ("armv7l", "armv7")):
        command = ["make", "-s", "-f", "Makefile", "-f", "-", "say", f"MACHINE={machine}"]
        ran = subprocess.run(
            command, cwd=NATIVE / "fuzz", input="say:\n\t@echo $(SOURCES)\n",
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert set(re.findall(r"/kernels/(\w+)/", ran.stdout)) == {own}
