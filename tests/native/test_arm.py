"""The kernels of ARM processors, emulated, give what the formulas of plan.h give, bit for bit."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from native.cases import Case, all_cases, lenet, operation_cases
from native.formulas import Ending, F, Window
from native.network import NO_END, Network, Place

pytestmark = pytest.mark.slow  # two programs are compiled

NATIVE = Path(__file__).parents[2] / "native"
DRIVER = Path(__file__).with_name("run_plans.c")


@dataclass(frozen=True)
class Machine:
    """A processor of an emulator.

    Attributes:
        target: of zig, with a C library that may be linked into a program.
        emulator: program of QEMU.
        processor: its name there.
        kernels: that the library chooses on it.
        flags: of the compiler.
    """

    target: str
    emulator: str
    processor: str
    kernels: str
    flags: tuple[str, ...] = ()


MAX = Machine("aarch64-linux-musl", "qemu-aarch64", "max", "i8mm")
A76 = Machine("aarch64-linux-musl", "qemu-aarch64", "cortex-a76", "dotprod")
A72 = Machine("aarch64-linux-musl", "qemu-aarch64", "cortex-a72", "neon")
# As the platform linux-armv7l of native/platforms.py.
V7 = Machine("arm-linux-musleabihf", "qemu-arm", "cortex-a7", "neon", ("-mcpu=generic+v7a+neon",))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """run_plans.c with the library in it, by target."""
    if find_spec("ziglang") is None:
        pytest.skip("no compiler for ARM: pip install ziglang")
    sys.path.insert(0, str(NATIVE))
    compiler = importlib.import_module("compile")
    platforms = importlib.import_module("platforms")
    programs = {}
    for machine in (A76, V7):
        programs[machine.target] = tmp_path_factory.mktemp("arm") / machine.target
        wanted = platforms.Platform("test", machine.target, "", flags=machine.flags)
        compiler.compile_program(wanted, [DRIVER], programs[machine.target])
    return programs


def run(
    machine: Machine,
    program: Path,
    folder: Path,
    cases: Sequence[Case],
    threads: int = 1,
    kernels: str = "best",
) -> list[str]:
    """Run all cases there in one go, into files NUMBER.output; the kernels of each."""
    if (emulator := shutil.which(machine.emulator)) is None:
        pytest.skip("no emulator: apt-get install --no-install-recommends qemu-user")
    lines = []
    for number, case in enumerate(cases):
        (folder / f"{number}.plan").write_bytes(case.plan)
        files = [folder / f"{number}.input{index}" for index in range(len(case.inputs))]
        for file, array in zip(files, case.inputs, strict=True):
            file.write_bytes(array.tobytes())
        output = folder / f"{number}.output"
        words = [
            folder / f"{number}.plan",
            kernels,
            threads,
            len(case.inputs[0]),
            1,
            output,
            *files,
        ]
        lines.append(" ".join(map(str, words)))
    (folder / "list").write_text("\n".join(lines))
    command = [emulator, "-cpu", machine.processor, str(program), str(folder / "list")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def check(
    machine: Machine,
    programs: dict[str, Path],
    folder: Path,
    cases: Sequence[Case],
    threads: int = 1,
    kernels: str = "best",
) -> None:
    """Every output is what the formulas say."""
    ran = run(machine, programs[machine.target], folder, cases, threads, kernels)
    assert ran == [machine.kernels if kernels == "best" else kernels] * len(cases)
    for number, case in enumerate(cases):
        found = (folder / f"{number}.output").read_bytes()
        for index, expected in enumerate(case.outputs):
            array = np.frombuffer(found[: expected.nbytes], expected.dtype).reshape(expected.shape)
            case.check(index, array, case.name)
            found = found[expected.nbytes :]
        assert not found


def products(
    least: int, spread: float, end: Ending = NO_END, zero_point: int = 0
) -> Iterator[Case]:
    """Dense and depthwise windows with weights from `least` on and multipliers around `spread`."""
    rng = np.random.default_rng([7, -least])
    for code in ("convolution", "depthwise"):
        for side, stride in ((1, 1), (3, 1), (3, 2), (5, 1)):
            network = Network(rng, batch=1)
            out = ((7 - side) // stride + 1, (17 - side) // stride + 1)
            x = network.image((40, 7, 17))
            depth = 40 if code == "convolution" else 1
            parameters = (
                rng.integers(least, 128, (40, depth, side, side)).astype(np.int8),
                rng.integers(-(10**6), 10**6, 40).astype(np.int32),
                (rng.uniform(0.5, 1.5, 40) * spread).astype(F),
            )
            window = Window((side, side), (stride, stride))
            y = network.product(
                code, x, 40, window, size=out, weights=parameters,
                place=Place(zero_point=zero_point), end=end,
            )  # fmt: skip
            network.group(2)
            network.output(y, is_float=False)
            yield Case(f"{code} {side}x{side}/{stride}", network.plan.to_bytes(),
                       tuple(network.inputs), tuple(network.outputs))  # fmt: skip


MACHINES = pytest.mark.parametrize("machine", [MAX, A76, A72, V7], ids=lambda one: one.processor)


@MACHINES
@pytest.mark.parametrize("threads", [1, 2])
def test_an_arm_processor_gets_its_kernels_and_operations_equal_their_formulas(
    programs: dict[str, Path], tmp_path: Path, machine: Machine, threads: int
) -> None:
    check(machine, programs, tmp_path, [*all_cases(6 if threads == 1 else 3), lenet()], threads)


def test_dsp_kernels_of_a_cortex_m_equal_their_formulas(
    programs: dict[str, Path], tmp_path: Path
) -> None:
    # The instructions are ARMv7-A's too; firmwares run them on emulated Cortex-M boards.
    wide = [case for code in ("convolution", "depthwise") for case in operation_cases(code, 40)]
    cases = [*all_cases(6), lenet(), *wide, *products(-128, 0.1), *products(-128, 1e-3)]
    check(V7, programs, tmp_path, cases, kernels="dsp")


@MACHINES
def test_every_width_up_to_forty_is_whole_on_an_arm_processor(
    programs: dict[str, Path], tmp_path: Path, machine: Machine
) -> None:
    cases = [
        case for code in ("convolution", "depthwise", "add") for case in operation_cases(code, 40)
    ]
    check(machine, programs, tmp_path, cases)


@MACHINES
@pytest.mark.parametrize("least", [-128, -127], ids=["with -128", "symmetric"])
@pytest.mark.parametrize("spread", [1e-3, 0.1], ids=["sums within 16 bits", "sums beyond 16 bits"])
def test_sums_of_any_size_are_rounded_and_clamped_as_the_formulas_say(
    programs: dict[str, Path], tmp_path: Path, machine: Machine, least: int, spread: float
) -> None:
    cases = [*products(least, spread), *products(least, spread, Ending(9, 250, None), 77),
             *products(least, spread, zero_point=121)]  # fmt: skip
    check(machine, programs, tmp_path, cases)


def test_the_portable_kernels_are_right_on_an_arm_processor(
    programs: dict[str, Path], tmp_path: Path
) -> None:
    check(A76, programs, tmp_path, [*all_cases(2), lenet()], kernels="portable")
