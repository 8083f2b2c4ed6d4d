"""Small trained networks on microcontrollers: flash, arena, boards, and accuracy in integers.

Usage: python -m benchmarks.npu.microcontrollers [--images 10000] [--equal 1000] [NETWORK-DATA …]

The accuracy is that of TensorFlow Lite Micro's own interpreter on the test images, beside the float
network's; on the first `--equal` images every output integer is compared with LiteRT's reference
kernels. Results are lines of results/npu/microcontrollers.jsonl and the table of docs/npu/mcu.md.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleave import keep, newest
from benchmarks.npu.networks import integer_network
from benchmarks.parity.rows import Job
from benchmarks.quantise.accuracy import Test, float_graph, prepare_test
from edgecnn.model.description import read_description
from edgecnn.model.weights import shipped
from edgecnn_exporters.targets.compilers import Example, IntegerNetwork, Settings
from edgecnn_exporters.targets.mcu import interpreter
from edgecnn_exporters.targets.mcu.compiler import McuCompiler
from edgecnn_exporters.targets.mcu.integers import golden_integers
from edgecnn_exporters.targets.mcu.tensors import read_tensors
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.arrays import Int8
from edgecnn_runtime.engines.adapted import quantise
from edgecnn_runtime.parity.proportion import wilson_interval

NETWORKS = ("lenet5-mnist", "resnet8-cifar10", "resnet20-cifar10")
# Quality targets of the MLPerf Tiny benchmark (Banbury et al. 2021, table 1).
MLPERF_TINY = {"resnet8-cifar10": 0.85}
PAGE = Path(__file__).parents[2] / "docs/npu/mcu.md"
BEGIN, END = "<!-- networks -->", "<!-- end of networks -->"
KEPT = "npu/microcontrollers"
MCU = target_profile("mcu")
# Images in one run of the interpreter.
CHUNK = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NETWORK-DATA")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--equal", type=int, default=1_000)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.table:
        for name in options.names or NETWORKS:
            measure(*name.split("-", 1), options.images, options.equal)
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    whole = f"{BEGIN}\n{render(newest(KEPT, NETWORKS))}\n{END}"
    PAGE.write_text(marked.sub(lambda _: whole, page), encoding="utf-8")


def measure(name: str, data: str, images: int, equal: int) -> None:
    """Compile one network, answer the test images, and keep the line."""
    path = shipped(name)[data]
    description = read_description(path)
    assert description is not None
    test = prepare_test(float_graph(path), description, images)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        network = integer_network(Job(name, data), folder / "network.edge")
        settings = Settings(folder, folder / "log")
        compiled = McuCompiler().compile(network, MCU, settings)
        found = answers(network, test, settings)
        counted = equal_integers(network, test, found[:equal])
    row = {
        "network": f"{name}-{data}",
        "compiler": compiled.artefact.compiler,
        "images": len(test.labels),
        "float_right": int((test.expected.argmax(1) == test.labels).sum()),
        "int8_right": int((found.argmax(1) == test.labels).sum()),
        "compared": found[:equal].size,
        "equal": counted,
        "report": {key: value for key, value in compiled.report.items() if key != "notes"},
    }
    keep(KEPT, row)
    print(words(row), flush=True)


def answers(network: IntegerNetwork, test: Test, settings: Settings) -> Int8:
    """Output integers (n, classes) of TensorFlow Lite Micro for the test images."""
    tensors = read_tensors(network.tflite)
    (name,), (result,) = tensors.inputs, tensors.outputs
    assert network.tflite_entry.layout == "NHWC"
    images = np.concatenate(list(test.inputs)).transpose(0, 2, 3, 1)
    feeds = quantise(images, network.tflite_entry.encodings[name], "int8")
    found: list[Int8] = []
    for first in range(0, len(feeds), CHUNK):
        part = [{name: image[None]} for image in feeds[first : first + CHUNK]]
        outputs, _ = interpreter.answers(
            network.tflite, tensors, part, settings.folder / "tflm", settings.log
        )
        found += [each[result] for each in outputs]
    return np.concatenate(found)


def equal_integers(network: IntegerNetwork, test: Test, found: Int8) -> int:
    """How many of `found` are those of LiteRT's reference kernels."""
    (name,) = (spec.name for spec in network.manifest.inputs)
    images = np.concatenate(list(test.inputs))[: len(found)]
    examples = tuple(Example({name: image[None]}, {}) for image in images)
    golden = golden_integers(replace(network, examples=examples))
    expected = np.concatenate([array for each in golden.outputs for array in each.values()])
    return int((expected == found).sum())


def render(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table in Markdown."""
    lines = [
        "| network, data | flash (model) | arena | of it tensors | float | int8, 95 % interval "
        "| MLPerf Tiny asks for | integers equal | boards that do not hold it |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    return "\n".join([*lines, *(words(row) for row in rows.values())])


def words(row: Mapping[str, Any]) -> str:
    """A line of the table."""
    report, images = row["report"], row["images"]
    low, high = wilson_interval(row["int8_right"], images)
    missed = [name for name, board in report["boards"].items() if not board["fits"]]
    target = MLPERF_TINY.get(row["network"])
    return (
        f"| {row['network'].replace('-', ', ', 1)} | {report['model_bytes']:,} "
        f"| {report['arena_bytes']:,} | {report['planned_bytes']:,} "
        f"| {row['float_right'] / images:.2%} "
        f"| {row['int8_right'] / images:.2%} ({low:.2%} – {high:.2%}) "
        f"| {f'≥ {target:.0%}' if target else '–'} | {row['equal']:,} of {row['compared']:,} "
        f"| {', '.join(missed) or 'none'} |"
    )


if __name__ == "__main__":
    main()
