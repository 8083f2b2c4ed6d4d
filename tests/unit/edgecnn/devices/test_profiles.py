"""The profiles of boards: what edgecnn brings, and files that do not hold."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.devices.profile import Profile
from edgecnn.devices.profile_toml import profile_of, profiles, read_profile
from edgecnn.errors import DeviceConfigInvalid
from edgecnn_runtime.host.processor import ARM_CORES

EVERY = list(profiles().values())
ENGINES = {"onnxruntime", "ai-edge-litert", "tflite-runtime", "openvino"}

SOUND = """
title = "A board"
machine = "aarch64"
models = ["A board*"]

[[clusters]]
core = "Cortex-A53"
count = 4
max_mhz = 1200
source = "its data sheet"

[clusters.simd]
bits = 128
dotprod = false
i8mm = false
fp16 = false
source = "its data sheet"

[memory]
sizes_gb = [0.5, 1]
source = "its data sheet"

[engines]
expected = ["onnxruntime"]
note = "as it comes"
source = "tried"
"""


def tables(value: object) -> Iterator[object]:
    """Every table of figures in a profile."""
    if dataclasses.is_dataclass(value):
        if any(field.name == "source" for field in dataclasses.fields(value)):
            yield value
        for field in dataclasses.fields(value):
            yield from tables(getattr(value, field.name))
    elif isinstance(value, tuple):
        for inner in value:
            yield from tables(inner)


def test_the_boards_that_people_have_are_there() -> None:
    assert set(profiles()) >= {
        *("rpi3", "rpi4", "rpi5", "rpi-zero2w", "jetson-nano", "jetson-orin-nano"),
        *("rk3588", "rk3566", "generic-aarch64", "generic-x86_64"),
    }


@pytest.mark.parametrize("profile", EVERY, ids=lambda profile: profile.name)
def test_every_table_of_figures_names_its_source(profile: Profile) -> None:
    found = list(tables(profile))
    assert len(found) >= 1
    for table in found:
        source = table.source  # type: ignore[attr-defined]
        assert re.search(
            r"documentation|TRM|Data ?[Ss]heet|Developer Guide|^Linux, arch/|^wheels for", source
        ), source


@pytest.mark.parametrize("profile", EVERY, ids=lambda profile: profile.name)
def test_a_profile_agrees_with_itself(profile: Profile) -> None:
    assert set(profile.engines.expected) <= ENGINES
    for cluster in profile.clusters:
        assert cluster.simd.bits == 128
        assert not cluster.simd.i8mm
        assert cluster.simd.dotprod == cluster.simd.fp16, "both came with Armv8.2 cores"
        if cluster.caches and cluster.caches.l2:
            assert cluster.caches.l2.cores <= cluster.count
    if emulation := profile.emulation:
        assert profile_of(emulation.model, profile.machine) == profile
        (cluster,) = profile.clusters
        assert ARM_CORES[f"{emulation.part:#05x}"] == cluster.core
        assert emulation.qemu_cpu == cluster.core.lower()
        features = emulation.features.split()
        assert ("asimddp" in features) == cluster.simd.dotprod
        assert ("asimdhp" in features) == cluster.simd.fp16
        assert ("i8mm" in features) == cluster.simd.i8mm


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "rpi3"),
        ("Raspberry Pi 3 Model B Rev 1.2", "rpi3"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "rpi-zero2w"),
        ("Raspberry Pi 4 Model B Rev 1.5", "rpi4"),
        ("Raspberry Pi 400 Rev 1.0", "rpi4"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "rpi4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi5"),
        ("Raspberry Pi 500 Rev 1.0", "rpi5"),
        ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
        ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "jetson-orin-nano"),
        ("Xunlong Orange Pi 5", "rk3588"),
        ("Xunlong Orange Pi 5 Plus", "rk3588"),
        ("Radxa ROCK 5B", "rk3588"),
        ("Radxa Rock 5A Board", "rk3588"),
        ("Radxa ZERO 3E", "rk3566"),
        ("Pine64 Quartz64 Model A", "rk3566"),
        ("Raspberry Pi 2 Model B Rev 1.1", "generic-aarch64"),
        (None, "generic-aarch64"),
    ],
)
def test_a_board_is_recognised_by_what_it_calls_itself(model: str | None, name: str) -> None:
    profile = profile_of(model, "aarch64")
    assert profile is not None
    assert profile.name == name


def test_a_machine_of_no_profile_has_none() -> None:
    assert profile_of(None, "riscv64") is None
    assert profile_of("QEMU Virtual Machine", "x86_64") == profiles()["generic-x86_64"]


def read(tmp_path: Path, text: str) -> Profile:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return read_profile(path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(DeviceConfigInvalid) as caught:
        read(tmp_path, text)
    said = str(caught.value)
    assert str(tmp_path / "own.toml") in said
    assert "\n" not in said
    return said.replace(str(tmp_path / "own.toml"), "FILE")


def test_a_profile_of_ones_own_is_read(tmp_path: Path) -> None:
    profile = read(tmp_path, SOUND)
    assert (profile.name, profile.cores, profile.emulation) == ("own", 4, None)
    assert profile.memory is not None
    assert profile.memory.sizes_gb == (0.5, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "A board"', "", "the file has no key 'title', expected a text"),
        ('title = "A board"', "title = 7", "title is 7, expected a text"),
        ('title = "A board"', 'title = " "', "title is ' ', expected a text of printable"),
        ('title = "A board"', 'title = "a\\nb"', "title is 'a\\nb', expected a text of"),
        ("count = 4", "count = 4.0", "clusters[0].count is 4.0, expected a whole number"),
        ("count = 4", "count = true", "clusters[0].count is True, expected a whole number"),
        ("count = 4", "count = 0", "clusters[0].count is 0, expected a whole number from 1"),
        ("count = 4", "count = -1", "clusters[0].count is -1, expected a whole number from 1"),
        ("count = 4", "cont = 4", "[clusters[0]] has no key 'count'"),
        ("count = 4", "count = 4\ncolour = 1", "clusters[0].colour is not a known key; did you"),
        ("dotprod = false", "dotprod = 0", "clusters[0].simd.dotprod is 0, expected true or false"),
        ("sizes_gb = [0.5, 1]", 'sizes_gb = ["1"]', "memory.sizes_gb is ['1'], expected a list of"),
        ("sizes_gb = [0.5, 1]", "sizes_gb = [nan]", "memory.sizes_gb is nan, expected a number"),
        (
            "sizes_gb = [0.5, 1]",
            "sizes_gb = [-1]",
            "memory.sizes_gb is -1, expected a number above",
        ),
        ("[memory]", "[memry]", "memry is not a known key; did you mean memory?"),
        ("[[clusters]]", "[clusters]", "clusters is a table, expected a list of tables"),
        ('models = ["A board*"]', 'models = "A*"', "models is 'A*', expected a list of texts"),
        ('source = "tried"', "", "[engines] has no key 'source', expected a text"),
    ],
)
def test_what_does_not_hold_is_named_by_file_key_and_kind(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in SOUND
    assert f"FILE: {said}" in refusal(tmp_path, SOUND.replace(old, new, 1))


def test_a_cluster_that_is_no_table_is_refused(tmp_path: Path) -> None:
    head = SOUND.partition("[[clusters]]")[0]
    assert "clusters[0] is 7, expected a table" in refusal(tmp_path, f"{head}clusters = [7]")


@pytest.mark.parametrize("text", ["[", "a = ", "a = 1\na = 2", "[a\n", "x" * 10_000])
def test_what_is_no_toml_is_refused_with_the_place(tmp_path: Path, text: str) -> None:
    assert re.match(r"FILE is not TOML: .*(line|end)", refusal(tmp_path, text))


def test_bytes_that_are_no_text_are_refused_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(b"title = \xff")
    with pytest.raises(DeviceConfigInvalid, match="byte 8 is not UTF-8"):
        read_profile(tmp_path / "own.toml")


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    assert "nested too deeply" in refusal(tmp_path, "a = " + "[" * 100_000)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceConfigInvalid, match=r"cannot read .*none\.toml: no such file"):
        read_profile(tmp_path / "none.toml")
