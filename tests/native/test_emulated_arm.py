"""The kernels of 64-bit Arm, emulated: every family gives what the formulas of plan.h give."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from native.cases import MAKERS, Case, bottlenecks, chains, lenet, operation_cases

ROOT = Path(__file__).parents[2] / "native"
QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
X86 = ROOT / "src/kernels/x86"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(QEMU is None, reason="apt-get install qemu-user"),
    pytest.mark.skipif(find_spec("ziglang") is None, reason="pip install ziglang"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """run_plans with the library in it."""
    folder = tmp_path_factory.mktemp("arm")
    sources = [each for each in (ROOT / "src").rglob("*.c") if X86 not in each.parents]
    dotprod = [each for each in sources if each.name.startswith("dotprod")]
    others = [each for each in sources if each not in dotprod]
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl")
    folders = ("-I", ROOT / "include", "-I", ROOT / "src")
    command = (*zig, "-std=gnu11", "-O2", "-ffp-contract=off", *folders)
    own = "-mcpu=generic+v8_2a+dotprod"
    subprocess.run([*command, own, "-c", *dotprod], cwd=folder, check=True)
    here = Path(__file__).with_name("run_plans.c")
    linked = (here, *others, *folder.glob("*.o"), "-static", "-o", folder / "run_plans")
    subprocess.run([*command, *linked], cwd=folder, check=True)
    return folder / "run_plans"


def cases() -> list[Case]:
    """A few of each operation, groups, and LeNet-5."""
    small = [each for code in MAKERS for each in operation_cases(code, 14, batch=1, scale=2)]
    groups = [*bottlenecks(10, batch=1, scale=2), *chains(8, batch=1, scale=2)]
    return [*small, *groups, lenet()]


@pytest.mark.parametrize("processor", ["cortex-a72", "max"])
def test_arm_families_equal_the_formulas(program: Path, processor: str, tmp_path: Path) -> None:
    assert QEMU is not None
    lines, checked = [], cases()
    for case in checked:
        plan = tmp_path / f"{case.name}.plan"
        plan.write_bytes(case.plan)
        inputs = [plan.with_suffix(f".{number}") for number in range(len(case.inputs))]
        for path, values in zip(inputs, case.inputs, strict=True):
            path.write_bytes(values.tobytes())
        for kernels in ("best", "portable"):
            output = plan.with_suffix(f".{kernels}")
            lines.append(" ".join(map(str, (plan, kernels, 1, 1, 1, output, *inputs))))
    listed = tmp_path / "list"
    listed.write_text("\n".join(lines))
    ran = subprocess.run(
        [QEMU, "-cpu", processor, program, listed], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    for case in checked:
        expected = b"".join(values.tobytes() for values in case.outputs)
        for kernels in ("best", "portable"):
            result = (tmp_path / f"{case.name}.{kernels}").read_bytes()
            wrong = np.frombuffer(result, np.uint8) != np.frombuffer(expected, np.uint8)
            assert not wrong.any(), f"{case.name} by {kernels} on {processor}: {wrong.mean():.0%}"
