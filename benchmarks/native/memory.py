"""RAM of plans with the least memory beside TensorFlow Lite Micro's arena, in bytes.

Usage: python -m benchmarks.native.memory [NETWORK …]

Both run the same integers with 8-bit inputs and outputs. TensorFlow Lite Micro's is the smallest
arena of its own interpreter here: tensors, inputs and outputs among them, and its structures.
A plan's is its arena, its scratch memory, and the caller's arrays. The last column is the plan that
is made for speed. Trained networks are shipped; the other two are those of MLPerf Tiny (Banbury et
al. 2021, section 4), with random weights.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

import edgecnn
from benchmarks.interleave import keep
from benchmarks.npu.ds_cnn import DSCNN
from benchmarks.npu.networks import integer_network
from benchmarks.parity.rows import Job
from benchmarks.runtime.blocks import alive
from edgecnn.zoo.mobilenet_v1 import mobilenet_v1
from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.targets.compilers import IntegerNetwork
from edgecnn_exporters.targets.mcu import interpreter
from edgecnn_exporters.targets.mcu.tensors import read_tensors
from edgecnn_exporters.targets.native import write_plan
from edgecnn_exporters.targets.native.records import Storage, Type, read_plan
from edgecnn_runtime.bundle import Bundle

TRAINED = {"lenet5": "mnist", "resnet8": "cifar10", "resnet20": "cifar10"}
IMAGES = 16


# Network → how it is built, and the shape of its input.
RANDOM: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "ds_cnn": (DSCNN, (1, 49, 10)),
    "mobilenet_v1 ×0.25": (lambda: mobilenet_v1(classes=2, width=0.25), (3, 96, 96)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NETWORK", default=[*TRAINED, *RANDOM])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | TFLM's arena | least memory | inputs, outputs | ratio | made for speed |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in options.names:
        with tempfile.TemporaryDirectory() as scratch:
            measure(name, Path(scratch))


def measure(name: str, folder: Path) -> None:
    """Print and keep the bytes of one network."""
    network = read(name, folder / "network.edge")
    tensors = read_tensors(network.tflite)
    theirs = interpreter.smallest_arena(network.tflite, tensors, folder, folder / "log").arena_bytes
    least, ends = plan_bytes(network, folder / "least.plan", least_memory=True)
    usual, _ = plan_bytes(network, folder / "usual.plan", least_memory=False)
    keep(
        "native/memory",
        {"network": name, "tflm": theirs, "least": least, "usual": usual, "ends": ends},
    )
    ratio = least / theirs
    print(f"| {name} | {theirs:,} | {least:,} | {ends:,} | {ratio:.2f} | {usual:,} |", flush=True)


def read(name: str, path: Path) -> IntegerNetwork:
    """The network in 8 bits: trained, or of random weights with batch statistics."""
    if name in TRAINED:
        return integer_network(Job(name, TRAINED[name]), path)
    build, shape = RANDOM[name]
    images = np.random.default_rng(0).standard_normal((IMAGES, *shape)).astype(np.float32)
    torch.manual_seed(0)
    edgecnn.export(
        alive(build(), images),
        shape,
        path,
        quantize="int8",
        calibrate=images,
        samples=IMAGES,
        recipe="fast",
        allow_weak=True,
        preprocess="none",
        measure=False,
    )
    with Bundle(path) as bundle:
        return read_network(bundle)


def plan_bytes(network: IntegerNetwork, path: Path, *, least_memory: bool) -> tuple[int, int]:
    """Bytes of a plan's memory with the caller's arrays, and of these alone."""
    path.with_suffix(".onnx").write_bytes(network.onnx)
    write_plan(path.with_suffix(".onnx"), path, least_memory=least_memory, byte_io=True)
    records = read_plan(path.read_bytes())
    callers = [each for each in records.tensors if each["storage"] <= Storage.OUTPUT]
    ends = sum(
        int(each["height"] * each["width"] * each["channels"])
        * (4 if each["type"] == Type.FLOAT32 else 1)
        for each in callers
    )
    return records.arena + records.scratch + ends, ends


if __name__ == "__main__":
    main()
