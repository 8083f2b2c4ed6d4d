"""What the plugin counts, on programs whose every instruction is known."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from emulated.arm64_programs import (
    LOAD,
    SDOT,
    borrow,
    leave,
    loop,
    mark,
    write_program,
)

from edgecnn.devices.emulated.instructions import (
    WORDS,
    Mark,
    build_plugin,
    instructions_of,
    peak_memory_bytes,
    plugin_arguments,
    read_marks,
)
from edgecnn.devices.emulated.qemu import Qemu, guest_command
from edgecnn.errors import EmulationUnavailable

ASSEMBLED = Path(__file__).with_name("assembled.txt")


def run_counted(
    qemu: Qemu, folder: Path, words: list[int], cpu: str = "cortex-a76"
) -> tuple[int, list[Mark]]:
    program = write_program(folder / "program", words)
    marks = folder / "marks"
    plugin = plugin_arguments(build_plugin(qemu), marks)
    command = guest_command(qemu, cpu, folder, [program], plugin)
    ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return ran.returncode, read_marks(marks)


def test_every_instruction_is_of_the_kinds_that_its_name_says(counting_qemu: Qemu) -> None:
    plugin = ctypes.CDLL(str(build_plugin(counting_qemu)), mode=os.RTLD_LAZY)
    wrong = []
    lines = [line for line in ASSEMBLED.read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        word, text, kinds = (field.strip() for field in line.split("|"))
        bits = plugin.kinds_of(int(word, 16))
        found = {kind for number, kind in enumerate(WORDS) if bits >> number & 1}
        if found != {"total", *kinds.split()}:
            wrong.append(f"{text}: {found}")
    assert len(lines) > 150
    assert not wrong


def test_a_loop_counts_as_it_is_written(counting_qemu: Qemu, tmp_path: Path) -> None:
    words = [*mark(1), *loop(1000, [SDOT, LOAD]), *mark(2), *leave()]
    code, marks = run_counted(counting_qemu, tmp_path, words)
    assert code == 0
    before, after = marks
    assert (before.number, after.number) == (1, 2)
    counted = {kind: after.counts[kind] - before.counts[kind] for kind in WORDS}
    once = 2 + 7  # the loop's counter, and the second mark
    expected = {"total": 4 * 1000 + once, "dot": 1000, "load": 1000, "simd": 1000, "branch": 1000}
    assert counted == dict.fromkeys(WORDS, 0) | expected


def test_memory_is_the_most_that_was_there_and_only_the_programs_own(
    counting_qemu: Qemu, tmp_path: Path
) -> None:
    words = [*mark(1), *borrow(8 << 20), *mark(2), *borrow(4 << 20), *mark(3), *leave()]
    code, marks = run_counted(counting_qemu, tmp_path, words)
    assert code == 0
    first, second, third = (one.peak_memory_bytes for one in marks)
    assert first < 1 << 20
    assert second - first == 8 << 20
    assert third == second


def test_a_processor_without_dot_products_ends_a_program_that_has_one(
    counting_qemu: Qemu, tmp_path: Path
) -> None:
    words = [*mark(1), SDOT, *mark(2), *leave()]
    code, marks = run_counted(counting_qemu, tmp_path, words, "cortex-a72")
    assert code < 0
    assert [one.number for one in marks] == [1]


def test_one_inference_is_the_median_of_the_runs_between_marks() -> None:
    totals = [0, 1000, 2010, 3000]
    marks = [
        Mark(16 + number, 5, dict.fromkeys(WORDS, 0) | {"total": total, "dot": number * 8})
        for number, total in enumerate(totals)
    ]
    found = instructions_of([Mark(1, 4, dict.fromkeys(WORDS, 7)), *marks])
    assert found is not None
    assert (found.counts["total"], found.counts["dot"], found.runs) == (1000, 8, 3)
    assert found.spread == pytest.approx(20 / 1000)


def test_a_program_that_ended_early_has_no_instructions_and_no_memory(tmp_path: Path) -> None:
    assert read_marks(tmp_path / "none") == []
    assert instructions_of([Mark(16, 5, dict.fromkeys(WORDS, 7))]) is None
    assert peak_memory_bytes([]) is None


def test_without_a_compiler_the_reason_names_the_command_that_installs_one(
    counting_qemu: Qemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulationUnavailable, match=r"C compiler.*apt-get install.* gcc"):
        build_plugin(counting_qemu)


def test_a_compiler_that_cannot_compile_is_no_traceback(
    counting_qemu: Qemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'fatal error: stdio.h: no such file' >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(EmulationUnavailable, match=r"stdio\.h.*libc6-dev"):
        build_plugin(counting_qemu)
    assert not list((tmp_path / "cache" / "emulated").glob("instructions-*"))


def test_a_qemu_without_plugins_is_named_as_the_reason() -> None:
    static = Qemu("/usr/bin/qemu-aarch64-static", (7, 2), has_plugins=True)
    with pytest.raises(EmulationUnavailable, match=r"qemu-aarch64-static takes no plugins"):
        build_plugin(replace(static, has_plugins=False))


def test_the_plugin_compiles_for_every_interface_of_qemu(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no cc; apt-get install --no-install-recommends gcc libc6-dev")
    source = resources.files("edgecnn.devices.emulated") / "instructions.c"
    for interface in (1, 2, 3):
        flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
        command = ["cc", *flags, f"-DAPI={interface}", "-o", tmp_path / "made.so", str(source)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
