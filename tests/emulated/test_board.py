"""Raspberry Pis without a Raspberry Pi: real wheels, a real emulator, a real export."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from emulated.arm64_programs import SDOT
from emulated.conftest import export
from shared import once

from edgecnn.bench.emulated import Proved, ProvedRow, prove_on
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import ask_host
from edgecnn.devices.emulated import EmulatedBoard
from edgecnn.devices.emulated.qemu import Qemu
from edgecnn.devices.find import emulatable
from edgecnn.errors import BenchRefused, DeviceFailed
from edgecnn.report.blocks import print_blocks
from edgecnn.report.emulated_table import proved_blocks
from edgecnn.results.bench import EmulatedResult
from edgecnn_runtime.measure.job import Environment, MeasurementPlan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.usefixtures("qemu", "arm64_root"),
]

PI4, PI5 = "rpi4", "rpi5"
PACKAGES = ("onnxruntime", "ai-edge-litert")

# An engine as a careless build makes it: it uses an instruction that some boards lack.
CARELESS = f"""
import ctypes, mmap
__version__ = "0"
class SessionOptions:
    def add_session_config_entry(self, key, value): ...
class InferenceSession:
    def __init__(self, *arguments, **options):
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(({SDOT}).to_bytes(4, "little") + (0xD65F03C0).to_bytes(4, "little"))
        ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        raise RuntimeError("survived it")
"""


@contextlib.contextmanager
def opened(name: str) -> Iterator[EmulatedBoard]:
    board = EmulatedBoard(emulatable()[name])
    try:
        yield board
    finally:
        board.close()


def proved(name: str, bundle: Path, *engines: str) -> Proved:
    with opened(name) as board:
        return prove_on(board, Wanted(bundle, MeasurementPlan(), engines=engines))


def rows_of(found: Proved) -> Mapping[str, ProvedRow]:
    return {row.parity.subject: row for row in found.rows}


@pytest.fixture(scope="session")
def lenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> Path:
        return export(folder, "lenet5", "--weights", "mnist", "--samples", "8")

    return once(tmp_path_factory, "emulated-lenet5", make)


@pytest.fixture(scope="session")
def boards(tmp_path_factory: pytest.TempPathFactory, counting_qemu: Qemu) -> Mapping[str, Proved]:
    """MobileNetV2 on both Pis, at the same time."""

    def make(folder: Path) -> Mapping[str, Proved]:
        arguments = ("--weights", "cifar10", "--samples", "16", "--tflite-io", "int8")
        bundle = export(folder, "mobilenet_v2", *arguments)
        with ThreadPoolExecutor(2) as pool:
            found = pool.map(lambda name: proved(name, bundle), (PI4, PI5))
            return dict(zip((PI4, PI5), found, strict=True))

    return once(tmp_path_factory, "emulated-mobilenet_v2", make)


@pytest.mark.parametrize("name", [PI4, PI5])
def test_every_artefact_answers_as_the_original_network(
    boards: Mapping[str, Proved], name: str
) -> None:
    verdicts = {row.parity.subject: row.parity.verdict for row in boards[name].rows}
    artefacts = ("model.onnx", "model.tflite", "model.int8.onnx", "model.int8.tflite")
    assert verdicts == dict.fromkeys(artefacts, "equal")


@pytest.mark.parametrize("name", [PI4, PI5])
def test_litert_computes_int8_as_on_this_machine_to_the_last_bit(
    boards: Mapping[str, Proved], name: str
) -> None:
    likeness = rows_of(boards[name])["model.int8.tflite"].likeness
    assert likeness.is_identical
    assert likeness.steps == 0
    assert not likeness.note


@pytest.mark.parametrize("name", [PI4, PI5])
def test_floats_differ_by_the_order_of_sums_and_no_more(
    boards: Mapping[str, Proved], name: str
) -> None:
    for artefact in ("model.onnx", "model.tflite"):
        found = rows_of(boards[name])[artefact].likeness.difference
        assert found is not None
        assert found.relative < 1e-5
        assert found.top1_agreement == 1


def test_int8_uses_dot_products_where_the_core_has_them_and_only_there(
    boards: Mapping[str, Proved],
) -> None:
    for artefact in ("model.int8.onnx", "model.int8.tflite"):
        with_them = rows_of(boards[PI5])[artefact].instructions
        without = rows_of(boards[PI4])[artefact].instructions
        assert with_them is not None
        assert without is not None
        assert with_them.counts["dot"] > 0.05 * with_them.counts["total"]
        assert without.counts["dot"] == 0
        assert without.counts["mull"] + without.counts["mlal"] > 0.05 * without.counts["total"]
        assert with_them.counts["total"] < without.counts["total"]


def test_floats_are_multiplied_by_fmla(boards: Mapping[str, Proved]) -> None:
    for found in boards.values():
        instructions = rows_of(found)["model.tflite"].instructions
        assert instructions is not None
        assert instructions.counts["fmla"] > 0.2 * instructions.counts["total"]
        assert instructions.counts["dot"] == 0


def test_memory_is_a_boards_and_not_the_emulators(boards: Mapping[str, Proved]) -> None:
    for found in boards.values():
        for row in found.rows:
            assert row.peak_memory_bytes is not None
            # QEMU's translations alone are more than the difference to the upper bound.
            assert 30e6 < row.peak_memory_bytes < 100e6


@pytest.mark.matrix
def test_what_is_counted_again_is_the_same(boards: Mapping[str, Proved]) -> None:
    first = rows_of(boards[PI5])["model.int8.tflite"]
    again = rows_of(proved(PI5, Path(first.subject.bundle), "ai-edge-litert"))["model.int8.tflite"]
    assert first.instructions is not None
    assert again.instructions is not None
    for kind, count in first.instructions.counts.items():
        assert again.instructions.counts[kind] == pytest.approx(count, rel=0.0033), kind
    assert first.instructions.spread < 0.0033
    assert again.peak_memory_bytes == pytest.approx(first.peak_memory_bytes, rel=0.01)


def test_no_time_is_printed_and_all_of_it_is_json(
    boards: Mapping[str, Proved], capsys: pytest.CaptureFixture[str]
) -> None:
    print_blocks(proved_blocks(list(boards.values())))
    shown = capsys.readouterr().out
    assert "emulated Cortex-A76" in shown
    assert "counts and answers, no latency" in shown
    assert "identical" in shown
    assert "SDOT" in shown
    for unit in (" ms", " s ", "second", "faster"):
        assert unit not in shown
    devices = json.loads(json.dumps(EmulatedResult(tuple(boards.values())).to_dict()))["devices"]
    assert len(devices[0]["rows"]) == 4
    assert devices[1]["rows"][0]["instructions"]["counts"]["total"] > 1e6


def test_two_boards_at_once_are_each_themselves() -> None:
    def asked(name: str) -> tuple[str, set[str]]:
        with opened(name) as board:
            board.prepare(PACKAGES)
            host = ask_host(board, "main")["host"]
            return host["model"], set(host["features"])

    with ThreadPoolExecutor(2) as pool:
        (model4, features4), (model5, features5) = pool.map(asked, (PI4, PI5))
    assert model4.startswith("Raspberry Pi 4")
    assert model5.startswith("Raspberry Pi 5")
    assert "asimddp" not in features4
    assert "asimddp" in features5


def test_an_engine_with_an_instruction_that_the_core_lacks_is_a_row_that_says_so(
    lenet: Path, tmp_path: Path
) -> None:
    planted = tmp_path / "onnxruntime"
    planted.mkdir()
    (planted / "__init__.py").write_text(CARELESS)
    found = {}
    for name in (PI4, PI5):
        with opened(name) as board:
            main = board.prepare(PACKAGES)["main"]
            path = (str(tmp_path), *main.path)
            board.environments["careless"] = Environment(main.command, path)
            wanted = Wanted(
                lenet, MeasurementPlan(), engines=("onnxruntime",), precisions=("int8",)
            )
            rows = {row.subject.environment: row for row in prove_on(board, wanted).rows}
            assert rows["main"].parity.verdict == "equal"
            found[name] = rows["careless"]
    assert found[PI4].parity.verdict == "crashed"
    assert found[PI4].parity.note.startswith("illegal instruction")
    assert found[PI5].parity.verdict == "differs"
    assert "survived it" in found[PI5].parity.note


def test_without_a_compiler_the_answers_are_still_given(
    lenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("qemu-aarch64", "apt-get", "mmdebstrap"):
        if where := shutil.which(name):
            (tmp_path / name).symlink_to(where)
    monkeypatch.setenv("PATH", str(tmp_path))
    with opened(PI5) as board:
        wanted = Wanted(lenet, MeasurementPlan(), engines=("ai-edge-litert",), precisions=("int8",))
        found = prove_on(board, wanted)
    (row,) = found.rows
    assert row.parity.verdict == "equal"
    assert row.likeness.is_identical
    assert row.instructions is None
    assert row.peak_memory_bytes is None
    assert "no C compiler is installed" in found.uncounted


def test_an_agent_that_refuses_says_why(lenet: Path) -> None:
    with opened(PI5) as board:
        board.prepare(PACKAGES)
        arguments = ["prove", str(lenet), "--artefact", "none.onnx", "--engine", "onnxruntime"]
        with (
            pytest.raises(DeviceFailed, match=r"has no artefact none\.onnx; it has model"),
            board.agent("main", arguments) as events,
        ):
            list(events)


def test_an_engine_that_a_board_cannot_have_is_refused(lenet: Path) -> None:
    with opened(PI5) as board, pytest.raises(BenchRefused, match="can have none of the engines"):
        prove_on(board, Wanted(lenet, MeasurementPlan(), engines=("nonesuch",)))
