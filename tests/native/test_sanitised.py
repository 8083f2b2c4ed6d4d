"""The library under the sanitisers of addresses, undefined behaviour and threads: seeds, cases.

A plan that is cut short, or of which fields have changed, is refused or runs within its memory.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from native.cases import MAKERS, bottlenecks, chains, operation_cases
from native.corpus import FOLDER, seeds
from native.rows_in_order import chains_in_order
from native.stored_rows import stored_before_windows

FUZZ = FOLDER.parent
PROBE = "#include <sanitizer/asan_interface.h>\nint main(void) { return 0; }\n"


def compiler_with(sanitisers: str, folder: Path) -> str:
    """A C compiler that has them; and make."""
    (folder / "probe.c").write_text(PROBE)
    for name in ("gcc", "clang", "cc"):
        command = [name, f"-fsanitize={sanitisers}", "probe.c", "-o", "probe"]
        if shutil.which(name) and shutil.which("make"):
            ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)
            if (
                ran.returncode == 0
                and subprocess.run(folder / "probe", check=False).returncode == 0
            ):
                return name
    pytest.skip(f"no make, or no C compiler with -fsanitize={sanitisers}")


def test_the_seeds_are_those_of_their_program() -> None:
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == seeds()
    assert sum(map(len, seeds().values())) < 200_000


@pytest.mark.slow
def test_plans_and_damaged_plans_stay_within_their_memory(tmp_path: Path) -> None:
    compiler = compiler_with("address,undefined", tmp_path)
    cases = tmp_path / "cases"
    cases.mkdir()
    for code in MAKERS:
        for case in operation_cases(code, 8, batch=1, scale=2):
            (cases / case.name).write_bytes(case.plan)
    for make in (bottlenecks, chains, chains_in_order):
        for case in make(6, batch=1, scale=2):
            (cases / case.name).write_bytes(case.plan)
    settings = (f"CC={compiler}", "CHANGES=30", f"BUILD={tmp_path / 'build'}", f"FOUND={cases}")
    ran = subprocess.run(
        ["make", "-j2", "replay", *settings],
        cwd=FUZZ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-4000:]
    assert f"{len(seeds()) + len(list(cases.iterdir()))} plans" in ran.stdout


@pytest.mark.slow
def test_threads_do_not_write_the_same_bytes_at_once(tmp_path: Path) -> None:
    compiler = compiler_with("thread", tmp_path)
    cases = tmp_path / "cases"
    cases.mkdir()
    for make in (bottlenecks, chains, stored_before_windows):
        for case in make(6, batch=1):
            (cases / case.name).write_bytes(case.plan)
    settings = (f"CC={compiler}", f"BUILD={tmp_path / 'build'}", f"FOUND={cases}")
    ran = subprocess.run(
        ["make", "races", *settings], cwd=FUZZ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-4000:]
