from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn_runtime.host import processor as module
from edgecnn_runtime.host.processor import (
    InstructionSet,
    Processor,
    physical_cores,
    this_processor,
)

SERVER = "processor\t: {}\nmodel name\t: Xeon\nflags\t\t: avx2 avx512_vnni {}\n\n"


def read(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Processor:
    (folder / "cpuinfo").write_text(text)
    monkeypatch.setattr(module, "CPUINFO", folder / "cpuinfo")
    this_processor.cache_clear()
    try:
        return this_processor()
    finally:
        this_processor.cache_clear()


def test_the_first_kilobytes_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor that the limit cuts short does not count."""
    text = "".join(SERVER.format(index, "x" * 1000) for index in range(128))
    found = read(text, tmp_path, monkeypatch)
    assert (found.name, found.features) == ("Xeon", ("avx2", "avx512_vnni"))
    assert found.instruction_set is InstructionSet.X86_VNNI


@pytest.mark.parametrize(
    ("machine", "features", "expected"),
    [
        ("x86_64", ("avx2", "avx_vnni"), InstructionSet.X86_VNNI),
        ("x86_64", ("avx", "avx2", "fma"), InstructionSet.X86_AVX2),
        ("x86_64", ("sse4_1",), InstructionSet.OTHER),
        ("AMD64", (), InstructionSet.X86_AVX2),
        ("aarch64", ("asimd", "asimddp"), InstructionSet.ARM_DOT),
        ("arm64", (), InstructionSet.ARM_DOT),
        ("aarch64", ("asimd",), InstructionSet.ARM_NEON),
        ("armv7l", ("neon",), InstructionSet.ARM_NEON),
        ("riscv64", (), InstructionSet.OTHER),
    ],
)
def test_the_instruction_set_is_that_of_the_8_bit_products(
    machine: str, features: tuple[str, ...], expected: InstructionSet
) -> None:
    assert Processor(None, machine, features).instruction_set is expected


def test_without_the_file_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read("", tmp_path, monkeypatch)
    assert (found.name, found.features) == (None, ())


def test_two_threads_of_a_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(8):
        (tmp_path / str(index)).write_text(f"{index % 4},{index % 4 + 4}\n")
    monkeypatch.setattr(module, "TOPOLOGY", str(tmp_path / "{}"))
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 4, 5})
    assert physical_cores() == 2
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert (physical_cores(), physical_cores(3)) == (4, 3)
    monkeypatch.setattr(module, "TOPOLOGY", str(tmp_path / "absent{}"))
    assert physical_cores(16) == 8, "without a topology each is one"
