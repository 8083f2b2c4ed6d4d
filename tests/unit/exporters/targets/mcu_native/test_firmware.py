"""Firmware folders without a framework: C that compiles, with the bundle's numbers and texts."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from unit.exporters.targets.mcu.support import PREPROCESS, classifier, settings
from unit.exporters.targets.mcu.test_firmware import HOSTILE

from benchmarks.npu.emulated_boards import (
    BOARDS,
    EmulatedBoard,
    build_firmware,
    missing_tools,
    run_firmware,
)
from edgecnn_exporters.errors import NotQuantised
from edgecnn_exporters.targets.compilers import Compiled
from edgecnn_exporters.targets.mcu_native.compiler import McuNativeCompiler, integers
from edgecnn_exporters.targets.mcu_native.firmware import write_firmware
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.engines.adapted import quantise
from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_runtime.image.preprocess import preprocess

pytest.importorskip("edgecnn_native")
COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler: apt install gcc")
# Prints what the headers hold as hexadecimal bytes.
PROGRAM = """
#include <stdio.h>
#include <string.h>
#include "golden.h"
#include "network.h"

static void hex(const void *bytes, size_t size)
{
    for (size_t at = 0; at < size; at++)
        printf("%02x", ((const unsigned char *)bytes)[at]);
    puts("");
}

int main(void)
{
    for (int at = 0; at < NETWORK_LABELS; at++)
        hex(network_labels[at], strlen(network_labels[at]));
    static uint8_t pixels[NETWORK_INPUT_BYTES], input[NETWORK_INPUT_BYTES];
    for (int at = 0; at < NETWORK_INPUT_BYTES; at++)
        pixels[at] = (uint8_t)(at * 7 % 256);
    network_from_pixels(pixels, input);
    hex(input, sizeof input);
    hex(network_plan, NETWORK_PLAN_BYTES);
    hex(golden_inputs[0], NETWORK_INPUT_BYTES);
    hex(golden_output, sizeof golden_output);
    return network_inputs[0].bytes != NETWORK_INPUT_BYTES;
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folder = tmp_path_factory.mktemp("compile")
    return McuNativeCompiler().compile(classifier(), target_profile("mcu-native"), settings(folder))


@pytest.fixture(scope="module")
def firmware(compiled: Compiled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firmware")
    write_firmware(classifier(), compiled, folder)
    return folder


@pytest.mark.skipif(bool(missing_tools()), reason=f"not installed: {missing_tools()}")
@pytest.mark.parametrize("board", BOARDS, ids=lambda one: one.core)
def test_a_board_computes_the_workstations_integers_in_the_stated_memory(
    firmware: Path, compiled: Compiled, board: EmulatedBoard
) -> None:
    ran = run_firmware(build_firmware(firmware, board), board)
    plan, example = compiled.files[compiled.artefact.path], classifier().examples[0]
    assert list(ran.results) == integers(classifier(), plan, example)["y"].ravel().tolist()
    assert ran.is_equal
    assert ran.kernels == ("mve" if board.core == "Cortex-M55" else "dsp")
    # Pointers of 4 bytes: no more than the workstation says.
    assert 0 < ran.memory_bytes <= compiled.report["memory_bytes"]
    assert ran.static_bytes < compiled.report["memory_bytes"] + 10 + 4096 + 256
    assert 200 < ran.stack_bytes < 2048
    assert ran.flash_bytes > len(plan)
    # Two products an instruction, at best: the last layer has 3,200, of a part of all.
    assert ran.instructions > 1_600


@pytest.mark.skipif(shutil.which("make") is None, reason="no make: apt install make")
@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("BOARD=mps2", "BOARD=mps2 is none of mps2-an386, mps2-an500, mps2-an505, mps3-an547"),
        ("ZIG=", "there is no compiler: apt-get install gcc-arm-none-eabi, or pip install ziglang"),
    ],
)
def test_make_says_which_boards_there_are_and_which_compilers(
    firmware: Path, tmp_path: Path, argument: str, words: str
) -> None:
    for name in ("sh", "mkdir", "make"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    (tmp_path / "arm-none-eabi-gcc").touch(0o755 if argument.startswith("BOARD") else 0o644)
    command = ["make", "-C", str(firmware), "run", argument]
    environment = os.environ | {"PATH": str(tmp_path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert words in ran.stderr


@needs_compiler
def test_the_headers_hold_what_the_bundle_holds(tmp_path: Path, compiled: Compiled) -> None:
    network = replace(classifier(), labels=HOSTILE)
    write_firmware(network, compiled, tmp_path)
    (tmp_path / "print.c").write_text(PROGRAM, encoding="utf-8")
    assert COMPILER is not None
    flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-o", "print")
    command = [COMPILER, *flags, "print.c", "network.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    ran = subprocess.run([tmp_path / "print"], capture_output=True, text=True, check=True)
    *labels, pixels, plan, golden_input, golden_output = ran.stdout.splitlines()
    expected = [label.encode().split(b"\0")[0] for label in HOSTILE]
    assert [bytes.fromhex(label) for label in labels] == expected
    image = (np.arange(8 * 8 * 3) * 7 % 256).astype(np.uint8).reshape(8, 8, 3)
    prepared = preprocess(image, replace(PREPROCESS, layout="NCHW"))
    assert bytes.fromhex(pixels) == quantise(prepared, network.uint8["x"], "uint8").tobytes()
    assert bytes.fromhex(plan) == compiled.files[compiled.artefact.path]
    example = network.examples[0]
    fed = quantise(example.inputs["x"], network.uint8["x"], "uint8")
    assert bytes.fromhex(golden_input) == fed.tobytes()
    scale, zero_point = network.uint8["y"]
    answer = np.frombuffer(bytes.fromhex(golden_output), np.uint8).astype(np.float32)
    wanted = example.outputs["y"]
    assert np.abs((answer - zero_point) * scale - wanted).max() < 0.1 * np.abs(wanted).max()


@needs_compiler
def test_a_network_without_images_and_labels_compiles_too(
    tmp_path: Path, compiled: Compiled
) -> None:
    network = classifier()
    about = replace(network.about, preprocess=None, labels=())
    write_firmware(replace(network, about=about, labels=()), compiled, tmp_path)
    assert COMPILER is not None
    command = [COMPILER, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-I", ".", "-I"]
    subprocess.run([*command, "edgecnn/include", "main.c"], cwd=tmp_path, check=True)
    assert "NETWORK_LABELS" not in (tmp_path / "network.h").read_text(encoding="utf-8")


def test_what_people_make_their_own_is_kept_and_an_older_library_is_replaced(
    tmp_path: Path, compiled: Compiled
) -> None:
    write_firmware(classifier(), compiled, tmp_path)
    for name in ("main.c", "Makefile", "board/startup.c"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    (tmp_path / "edgecnn/src/older.c").write_text("", encoding="utf-8")
    (tmp_path / "edgecnn/src/run.c").write_text("", encoding="utf-8")
    written = write_firmware(classifier(), compiled, tmp_path)
    assert "main.c" not in written
    for name in ("main.c", "Makefile", "board/startup.c"):
        assert (tmp_path / name).read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "edgecnn/src/older.c").exists()
    assert (tmp_path / "edgecnn/src/run.c").stat().st_size == written["edgecnn/src/run.c"] > 0


@pytest.mark.parametrize("name", ["README.md", "network.c", "edgecnn/README.md"])
def test_files_of_others_are_not_replaced(tmp_path: Path, compiled: Compiled, name: str) -> None:
    write_firmware(classifier(), compiled, tmp_path)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(OutputNotWritable, match=f"holds {name} not written by edgecnn"):
        write_firmware(classifier(), compiled, tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_a_folder_below_a_file_is_refused_with_the_reason(
    tmp_path: Path, compiled: Compiled
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputNotWritable, match=r"file/fw: Not a directory; name another folder$"):
        write_firmware(classifier(), compiled, tmp_path / "file/fw")


def test_a_network_without_an_example_has_no_firmware(tmp_path: Path, compiled: Compiled) -> None:
    with pytest.raises(NotQuantised, match="no golden example"):
        write_firmware(replace(classifier(), examples=()), compiled, tmp_path)
