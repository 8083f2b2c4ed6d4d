"""Firmware folders: C++ that a compiler takes, with the bundle's own numbers and texts."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from unit.exporters.targets.mcu.support import PREPROCESS, classifier

from edgecnn_exporters.errors import NotQuantised
from edgecnn_exporters.targets.compilers import Compiled, IntegerNetwork
from edgecnn_exporters.targets.mcu.boards import Need
from edgecnn_exporters.targets.mcu.firmware import firmware_files, write_firmware
from edgecnn_exporters.targets.mcu.interpreter import Arena
from edgecnn_exporters.targets.mcu.report import report
from edgecnn_exporters.targets.mcu.tensors import read_tensors
from edgecnn_runtime.engines.adapted import quantise
from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_runtime.image.preprocess import preprocess

COMPILER = shutil.which("g++") or shutil.which("c++")
DECLARATIONS = Path(__file__).with_name("declarations")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")
# What ends a string, a line, a comment or a directive, and what a terminal obeys.
HOSTILE = (
    'end"; int main() { return 1; } //',
    "back\\slash",
    "tri??/graph",
    "two\nlines\r\n#error no",
    "*/ /* %s %n",
    "\x1b]0;title\x07",
    "digits\x009after a zero",
    "Schnürsenkel 👟",
    "",
    "{0}{name}",
)
# Prints what the headers hold; texts as hexadecimal bytes.
PROGRAM = """
#include <cstdio>
#include <cstring>
#include "golden.h"
#include "model.h"
#include "network.h"

void Hex(const char* text, int size) {
  for (int at = 0; at < size; ++at) std::printf("%02x", static_cast<unsigned char>(text[at]));
  std::printf("\\n");
}

int main() {
  std::printf("%d %d\\n", network::kArenaBytes, network::kModelBytes);
  for (int at = 0; at < network::kLabelCount; ++at) {
    Hex(network::kLabels[at], std::strlen(network::kLabels[at]));
  }
  static std::uint8_t pixels[network::kHeight * network::kWidth * network::kChannels];
  static std::int8_t input[sizeof(pixels)];
  for (unsigned at = 0; at < sizeof(pixels); ++at) pixels[at] = at * 7 % 256;
  network::InputFromPixels(pixels, input);
  Hex(reinterpret_cast<const char*>(input), sizeof(input));
  Hex(reinterpret_cast<const char*>(network::kModel), sizeof(network::kModel));
  Hex(reinterpret_cast<const char*>(network::kGoldenOutputs[0]), network::kOutputs[0].bytes);
  return 0;
}
"""


def compiled(network: IntegerNetwork) -> Compiled:
    """As the compiler returns it, with an arena that was not measured."""
    tensors = read_tensors(network.tflite)
    arena = Arena(2552, 1600, 952, 8, 12)
    methods = ("AddConv2D", "AddReshape", "AddFullyConnected")
    figures = report(Need(len(network.tflite), arena.arena_bytes), arena, tensors, methods)
    artefact = replace(network.tflite_entry, path="mcu/model.tflite", compiler="tflite-micro 0")
    return Compiled(artefact, {artefact.path: network.tflite}, figures, 0.0)


@needs_compiler
def test_the_example_compiles_without_a_warning(tmp_path: Path) -> None:
    network = replace(classifier(), labels=HOSTILE)
    sizes = write_firmware(network, compiled(network), tmp_path / "firmware")
    assert sizes == {path.name: path.stat().st_size for path in (tmp_path / "firmware").iterdir()}
    compile_with(tmp_path / "firmware", "-fsyntax-only", tmp_path / "firmware/main.cpp")


@needs_compiler
def test_the_headers_hold_what_the_bundle_holds(tmp_path: Path) -> None:
    network = replace(classifier(), labels=HOSTILE)
    write_firmware(network, compiled(network), tmp_path)
    (tmp_path / "print.cpp").write_text(PROGRAM, encoding="utf-8")
    compile_with(tmp_path, "-o", tmp_path / "print", tmp_path / "print.cpp")
    ran = subprocess.run([tmp_path / "print"], capture_output=True, text=True, check=True)
    sizes, *labels, pixels, model, golden = ran.stdout.splitlines()
    # 2552 is no multiple of the 16 that the arena's tensors are aligned to.
    assert sizes == f"2560 {len(network.tflite)}"
    # A C string ends at its first zero: no text can be longer on the board.
    expected = [label.encode().split(b"\0")[0] for label in HOSTILE]
    assert [bytes.fromhex(label) for label in labels] == expected
    image = (np.arange(8 * 8 * 3) * 7 % 256).astype(np.uint8).reshape(8, 8, 3)
    prepared = preprocess(image, replace(PREPROCESS, layout="NHWC"))
    fed = quantise(prepared, network.tflite_entry.encodings["x"], "int8")
    assert bytes.fromhex(pixels) == fed.tobytes()
    assert bytes.fromhex(model) == network.tflite
    scale, zero_point = network.tflite_entry.encodings["y"]
    answer = np.frombuffer(bytes.fromhex(golden), np.int8).astype(np.float32)
    wanted = network.examples[0].outputs["y"]
    assert np.abs((answer - zero_point) * scale - wanted).max() < 0.1 * np.abs(wanted).max()


@needs_compiler
def test_a_network_without_images_and_labels_compiles_too(tmp_path: Path) -> None:
    network = classifier()
    manifest = replace(network.manifest, preprocess=None, postprocess=None)
    about = replace(network.about, preprocess=None, labels=())
    network = replace(network, about=about, manifest=manifest, labels=())
    write_firmware(network, compiled(network), tmp_path)
    compile_with(tmp_path, "-fsyntax-only", tmp_path / "main.cpp")
    assert "round(real / scale) + zero_point" in (tmp_path / "README.md").read_text("utf-8")


def test_an_example_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "main.cpp").write_text("mine", encoding="utf-8")
    written = write_firmware(classifier(), compiled(classifier()), tmp_path)
    assert set(written) == {"README.md", "golden.h", "model.h", "network.h"}
    assert (tmp_path / "main.cpp").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["README.md", "model.h"])
def test_files_of_others_are_not_replaced(tmp_path: Path, name: str) -> None:
    write_firmware(classifier(), compiled(classifier()), tmp_path)
    write_firmware(classifier(), compiled(classifier()), tmp_path)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(OutputNotWritable, match=f"holds {name} not written by edgecnn"):
        write_firmware(classifier(), compiled(classifier()), tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


@needs_compiler
@pytest.mark.skipif(shutil.which("xxd") is None, reason="no xxd: apt install xxd")
def test_the_lines_for_an_ethos_u_board_compile(tmp_path: Path) -> None:
    page = Path(__file__).parents[5] / "docs/npu/ethos-u.md"
    board = page.read_text(encoding="utf-8").partition("## On the board")[2]
    (convert,) = re.findall(r"^xxd .*$", board, re.MULTILINE)
    (source,) = re.findall(r"^```cpp\n(.*?)^```", board, re.MULTILINE | re.DOTALL)
    (tmp_path / "model_vela.tflite").write_bytes(bytes(40))
    subprocess.run(convert, shell=True, cwd=tmp_path, check=True)
    (tmp_path / "board.cpp").write_text(source, encoding="utf-8")
    compile_with(tmp_path, "-fsyntax-only", tmp_path / "board.cpp")


def test_the_name_of_a_network_stays_text_in_the_readme() -> None:
    network = classifier()
    about = replace(network.about, name="x\n# heading\n<script>{model}")
    files = firmware_files(replace(network, about=about), compiled(network))
    assert "\n    x # heading <script>{model}\n" in files["README.md"]


def test_a_bundle_without_an_example_is_refused() -> None:
    network = replace(classifier(), examples=())
    with pytest.raises(NotQuantised, match="small has no golden example of one image"):
        firmware_files(network, compiled(network))


def compile_with(folder: Path, *arguments: str | Path) -> None:
    """Compile for this machine; a warning is a failure."""
    strict = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-trigraphs", "-Wno-trigraphs")
    command = [str(COMPILER), *strict, f"-I{DECLARATIONS}", f"-I{folder}", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
