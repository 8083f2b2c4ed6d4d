"""The kernels of microcontrollers, on emulated boards, give what the formulas of plan.h give."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.npu.emulated_boards import (
    BOARDS,
    EmulatedBoard,
    build_firmware,
    emulate,
    missing_tools,
)
from edgecnn_exporters.targets.mcu_native.firmware import own_files
from edgecnn_native import Model, NativeError, freestanding_source
from native.binding import Array
from native.cases import Case, all_cases, lenet, operation_cases
from native.damage import change
from native.test_arm import products

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_tools()), reason=f"not installed: {missing_tools()}"),
]
MAIN = Path(__file__).with_name("run_cases.c")
MOST_ARRAYS = 4
RECORD = struct.Struct(f"<{5 + 3 * MOST_ARRAYS}I")
KERNELS = {"mps2-an386": "dsp", "mps3-an547": "mve"}


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    """A program that runs all cases, in a folder of its own."""
    wide = [case for code in ("convolution", "depthwise") for case in operation_cases(code, 12)]
    numbers = [case for spread in (1e-3, 0.1) for case in products(-128, spread)]
    # Refusals are texts with numbers and words in them.
    good = lenet()
    refused = [
        replace(good, name="version", plan=change(good.plan, "header", 0, version=77)),
        replace(good, name="tensor", plan=change(good.plan, "tensor", 1, height=0)),
    ]
    cases = [*all_cases(6), good, *wide, *numbers, *refused]
    folder = tmp_path_factory.mktemp("cases")
    library = {f"edgecnn/{name}": text for name, text in freestanding_source().items()}
    for name, text in (own_files() | library | {"main.c": MAIN.read_text("utf-8")}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "cases.bin").write_bytes(packed(cases))
    return folder, cases


def packed(cases: Sequence[Case]) -> bytes:
    """Number of cases, a record of each (run_cases.c), then their arrays, each at 64 bytes."""
    content = bytearray(64 + RECORD.size * len(cases))
    struct.pack_into("<I", content, 0, len(cases))

    def put(array: bytes) -> int:
        content.extend(bytes(-len(content) % 64))
        at = len(content)
        content.extend(array)
        return at

    def four(numbers: Sequence[int]) -> list[int]:
        return [*numbers, *[0] * (MOST_ARRAYS - len(numbers))]

    for number, case in enumerate(cases):
        outputs = expected_outputs(case)
        fields = [put(case.plan), len(case.plan), len(case.inputs[0])]
        fields += [len(case.inputs), len(outputs)]
        fields += four([put(array.tobytes()) for array in case.inputs])
        fields += four([put(array.tobytes()) for array in outputs])
        fields += four([array.nbytes for array in outputs])
        RECORD.pack_into(content, 64 + RECORD.size * number, *fields)
    return bytes(content)


def expected_outputs(case: Case) -> Sequence[Array]:
    """Those of the formulas; where these are exact to a few bits only, the workstation's."""
    if not case.rounding:
        return case.outputs
    with Model(case.plan, kernels="portable") as model:
        return model.run(case.inputs)


@pytest.mark.parametrize(
    "board", [each for each in BOARDS if each.name in KERNELS], ids=lambda one: one.core
)
def test_every_operation_equals_its_formula_on_a_board(
    firmware: tuple[Path, list[Case]], board: EmulatedBoard
) -> None:
    folder, cases = firmware
    lines = emulate(build_firmware(folder, board), board).split("\n")[:-1]
    computed, first = len(cases) - 2, f"case {len(cases) - 2}: "
    wrong = {cases[at].name: line for at, line in enumerate(lines[:computed]) if ": " in line}
    assert not wrong
    assert lines[:computed] == [KERNELS[board.name]] * computed
    for line, case in zip(lines[computed:], cases[computed:], strict=True):
        with pytest.raises(NativeError) as refused:
            Model(case.plan)
        assert line.split(": ", 1)[1] == str(refused.value)
    assert lines[computed].startswith(f"{first}the plan is of version 77, this library reads")
