"""Preprocessing as code, held to the runtime's within one grey level of 256."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgecnn.bundles.preprocess_code import preprocess_code
from edgecnn_runtime.arrays import Float32, UInt8
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

CAT = Path(__file__).parents[4] / "exporters/edgecnn_exporters/photographs/cat.jpg"
IMAGENET = Preprocess(
    colour="RGB",
    resize=64,
    filter="bilinear",
    crop=(56, 56),
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
SPECS = {
    "imagenet": IMAGENET,
    "bicubic": replace(IMAGENET, filter="bicubic", layout="NHWC"),
    "not square": replace(IMAGENET, resize=(33, 90), crop=None),
    "padded": replace(IMAGENET, resize=20, crop=(31, 24)),
    "as it is": replace(
        IMAGENET, resize=None, crop=(5, 8), scale=1.0, mean=(0, 0, 0), std=(1, 1, 2)
    ),
    "BGR": replace(IMAGENET, colour="BGR", scale=2 / 255, mean=(1, 1, 1), std=(1, 1, 1)),
    "grey": replace(
        IMAGENET, colour="L", resize=(28, 28), crop=None, mean=(0.1307,), std=(0.3081,)
    ),
}


def images() -> list[UInt8]:
    """A photograph, noise, and sizes that no camera has: (H, W, 3) RGB."""
    noise = np.random.default_rng(0)
    sizes = [(1, 1), (3, 500), (500, 3), (7, 5), (200, 64), (65, 64)]
    return [load_image(CAT), *(noise.integers(0, 256, (*size, 3), np.uint8) for size in sizes)]


def assert_alike(made: Float32, image: UInt8, spec: Preprocess) -> None:
    expected = preprocess(image, spec)
    assert made.shape == expected.shape
    level = abs(spec.scale) / min(map(abs, spec.std)) * (1 + 1e-5)
    assert np.abs(made - expected).max() <= level
    # The same resampling: no more than single values lie on another side of a rounding.
    assert (np.abs(made - expected) > level / 100).mean() < 1e-3


def module(folder: Path, name: str, spec: Preprocess) -> ModuleType:
    (folder / f"{name}.py").write_text(preprocess_code(spec)[f"{name}.py"])
    source = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert source is not None
    assert source.loader is not None
    made = importlib.util.module_from_spec(source)
    source.loader.exec_module(made)
    return made


@pytest.mark.parametrize("name", SPECS)
def test_numpy_makes_the_runtimes_input(name: str, tmp_path: Path) -> None:
    made = module(tmp_path, "preprocess_numpy", SPECS[name])
    for image in images():
        assert_alike(made.preprocess(image), image, SPECS[name])
        other = replace(SPECS[name], layout="NHWC")
        assert_alike(made.preprocess(image, "NHWC"), image, other)


def test_numpy_refuses_what_is_no_image(tmp_path: Path) -> None:
    made = module(tmp_path, "preprocess_numpy", IMAGENET)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="expected uint8"):
            made.preprocess(wrong)


@pytest.mark.parametrize("name", ["imagenet", "BGR", "grey"])
def test_opencv_takes_frames_with_blue_first(name: str, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    made = module(tmp_path, "preprocess_opencv", SPECS[name])
    for image in images():
        assert_alike(made.preprocess(image[:, :, ::-1]), image, SPECS[name])


def test_opencv_reads_a_file_as_the_runtime_does(tmp_path: Path) -> None:
    from PIL import Image

    pytest.importorskip("cv2")
    made = module(tmp_path, "preprocess_opencv", IMAGENET)
    Image.fromarray(images()[0]).save(tmp_path / "cat.png")
    frame = made.read(tmp_path / "cat.png")
    assert_alike(made.preprocess(frame), load_image(tmp_path / "cat.png"), IMAGENET)


MAIN = """
#include <cstdio>
#include <cstdlib>
#include "{name}/preprocess.hpp"

int main(int, char** arguments) {{
    const int height = std::atoi(arguments[1]), width = std::atoi(arguments[2]);
    std::vector<std::uint8_t> rgb(static_cast<std::size_t>(height) * width * 3);
    if (std::fread(rgb.data(), 1, rgb.size(), stdin) != rgb.size()) return 1;
    const std::vector<float> made = edgecnn::preprocess(rgb.data(), width, height);
    return std::fwrite(made.data(), 4, made.size(), stdout) == made.size() ? 0 : 1;
}}
"""


@pytest.mark.parametrize("name", SPECS)
def test_cpp_makes_the_runtimes_input(name: str, tmp_path: Path) -> None:
    if (compiler := shutil.which("c++")) is None:
        pytest.skip("no C++ compiler is installed")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/preprocess.hpp").write_text(preprocess_code(SPECS[name])["preprocess.hpp"])
    (tmp_path / "main.cpp").write_text(MAIN.format(name="x"))
    flags = ["-std=c++11", "-O1", "-Wall", "-Wextra", "-Werror"]
    command = [compiler, *flags, "main.cpp", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    for image in images():
        size = map(str, image.shape[:2])
        ran = subprocess.run(
            [tmp_path / "main", *size], input=image.tobytes(), capture_output=True, check=True
        )
        made = np.frombuffer(ran.stdout, np.float32)
        assert_alike(made.reshape(preprocess(image, SPECS[name]).shape), image, SPECS[name])


MAIN_C = """
#include <stdio.h>
#include "preprocess.h"

int main(int count, char **arguments) {
    int height = atoi(arguments[1]), width = atoi(arguments[2]), made_height, made_width;
    uint8_t *rgb = malloc((size_t)height * width * 3);
    size_t pixels = (size_t)height * width;
    if (count != 3 || fread(rgb, 3, pixels, stdin) != pixels) return 1;
    edgecnn_input_size(width, height, &made_height, &made_width);
    size_t values = (size_t)EDGECNN_CHANNELS * made_height * made_width;
    float *made = malloc(4 * values);
    if (edgecnn_preprocess(rgb, width, height, made) != 0) return 1;
    return fwrite(made, 4, values, stdout) == values ? 0 : 1;
}
"""


@pytest.mark.parametrize("name", SPECS)
def test_c_makes_the_runtimes_input(name: str, tmp_path: Path) -> None:
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("no C compiler is installed")
    (tmp_path / "preprocess.h").write_text(preprocess_code(SPECS[name])["preprocess.h"])
    (tmp_path / "main.c").write_text(MAIN_C)
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-type-limits"]
    command = [compiler, *flags, "main.c", "-o", "main", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    for image in images():
        size = map(str, image.shape[:2])
        ran = subprocess.run(
            [tmp_path / "main", *size], input=image.tobytes(), capture_output=True, check=True
        )
        made = np.frombuffer(ran.stdout, np.float32)
        assert_alike(made.reshape(preprocess(image, SPECS[name]).shape), image, SPECS[name])


SCRIPT = """
import {preprocess, SPEC} from "./preprocess.mjs";
import {readFileSync, writeFileSync} from "node:fs";
for (const {file, width, height} of JSON.parse(process.argv[2])) {
  const data = new Uint8ClampedArray(readFileSync(file));
  const made = preprocess({width, height, data}, SPEC);
  writeFileSync(`${file}.made`, new Uint8Array(made.data.buffer));
}
"""


@pytest.mark.parametrize("name", SPECS)
def test_javascript_makes_the_runtimes_input(name: str, tmp_path: Path) -> None:
    import json

    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    (tmp_path / "preprocess.mjs").write_text(preprocess_code(SPECS[name])["preprocess.js"])
    (tmp_path / "main.mjs").write_text(SCRIPT)
    jobs = []
    for index, image in enumerate(images()):
        alpha = np.full((*image.shape[:2], 1), 255, np.uint8)
        (tmp_path / f"{index}").write_bytes(np.concatenate([image, alpha], axis=2).tobytes())
        height, width = image.shape[:2]
        jobs.append({"file": str(tmp_path / f"{index}"), "width": width, "height": height})
    subprocess.run([node, tmp_path / "main.mjs", json.dumps(jobs)], check=True, timeout=120)
    for index, image in enumerate(images()):
        made = np.frombuffer((tmp_path / f"{index}.made").read_bytes(), np.float32)
        assert_alike(made.reshape(preprocess(image, SPECS[name]).shape), image, SPECS[name])


# What Android brings, as far as the file names it; and a program that prepares raw RGB files.
BITMAP = """
package android.graphics

class Bitmap(val width: Int, val height: Int, private val own: IntArray) {
    fun getPixels(to: IntArray, offset: Int, stride: Int, x: Int, y: Int, w: Int, h: Int) {
        for (row in 0 until h) for (column in 0 until w)
            to[offset + row * stride + column] = own[(y + row) * width + x + column]
    }
}
"""
KOTLIN = """
import android.graphics.Bitmap
import edgecnn.Preprocess
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

fun main(arguments: Array<String>) {
    for (job in arguments) {
        val (file, height, width) = job.split(":")
        val raw = File(file).readBytes()
        val pixels = IntArray(raw.size / 3) { at ->
            val (red, green, blue) = List(3) { raw[3 * at + it].toInt() and 255 }
            (255 shl 24) or (red shl 16) or (green shl 8) or blue
        }
        val made = Preprocess.preprocess(Bitmap(width.toInt(), height.toInt(), pixels))
        val bytes = ByteBuffer.allocate(4 * made.size).order(ByteOrder.LITTLE_ENDIAN)
        made.forEach { bytes.putFloat(it) }
        File("$file.made").writeBytes(bytes.array())
    }
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_kotlin_makes_the_runtimes_input(name: str, tmp_path: Path) -> None:
    if (compiler := shutil.which("kotlinc")) is None or (java := shutil.which("java")) is None:
        pytest.skip("kotlinc and java are not installed; npm's kotlin-compiler has bin/kotlinc")
    sources = {"Preprocess.kt": preprocess_code(SPECS[name])["Preprocess.kt"]}
    sources |= {"Bitmap.kt": BITMAP, "Main.kt": KOTLIN}
    for file, text in sources.items():
        (tmp_path / file).write_text(text)
    command = [compiler, *sources, "-include-runtime", "-d", "main.jar", "-Werror"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
    jobs = []
    for index, image in enumerate(images()):
        (tmp_path / f"{index}").write_bytes(image.tobytes())
        jobs.append(f"{index}:{image.shape[0]}:{image.shape[1]}")
    subprocess.run([java, "-jar", "main.jar", *jobs], cwd=tmp_path, check=True, timeout=120)
    for index, image in enumerate(images()):
        made = np.frombuffer((tmp_path / f"{index}.made").read_bytes(), np.float32)
        assert_alike(made.reshape(preprocess(image, SPECS[name]).shape), image, SPECS[name])


def test_kotlin_has_the_constants_of_cpp() -> None:
    files = preprocess_code(SPECS["not square"])
    for text in (files["Preprocess.kt"], files["preprocess.hpp"], files["preprocess.h"]):
        for constant in ("33", "90", "0.0171247534f", "-2.11790395f"):
            assert constant in text
        assert "@" not in text


def test_constants_are_numbers_of_every_language() -> None:
    extreme = replace(IMAGENET, scale=1.0, mean=(0, 1e-20, 3), std=(1, 1e20, 0.5))
    text = preprocess_code(extreme)["preprocess.hpp"]
    assert "kGain[] = {1.0f, 9.99999968e-21f, 2.0f};" in text
    assert "-6.0f};" in text
