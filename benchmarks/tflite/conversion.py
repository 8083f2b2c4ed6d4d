"""Time to write a TFLite file, beside litert-torch's conversion of the same network.

Usage: python -m benchmarks.tflite.conversion [--rounds 5] [NETWORK …]

Seconds after import, in one process, in turned order every other round, after one conversion of
each that is not counted. *The writer alone* begins with the canonical graph in memory; *from the
ONNX file* reads the bytes and makes the graph canonical; *from PyTorch* exports the module first,
which is where litert-torch begins.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import torch

from benchmarks.interleave import interleave, report
from benchmarks.tflite.peers import by_litert_torch, network_and_images, require_peers
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.targets.tflite.write import write_tflite

PEER = "litert-torch"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["mobilenet_v2"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    require_peers()
    torch.set_num_threads(1)
    for name in options.names:
        measure(name, options.rounds)


def measure(name: str, rounds: int) -> None:
    """Time every way from one network to its TFLite file."""
    network, samples = network_and_images(name, 3)
    feeds = [np.concatenate(samples[:size]) for size in (2, 3)]
    expected = run_module(network.module, feeds)

    def captured() -> ir.Model:
        model = capture(network.module, expected, batch=None, opset=18).model
        canonicalise(model)
        return model

    model = captured()
    content = to_bytes(model)

    def from_file() -> None:
        read = ir.serde.deserialize_model(onnx.load_from_string(content))
        canonicalise(read)
        write_tflite(read)

    candidates = {
        PEER: lambda: by_litert_torch(network.module, network.shape, channels_last=False),
        "edgecnn, the writer alone": lambda: write_tflite(model),
        "edgecnn, from the ONNX file": from_file,
        "edgecnn, from PyTorch": lambda: write_tflite(captured()),
    }
    for convert in candidates.values():
        convert()
    times = interleave({n: timed(convert) for n, convert in candidates.items()}, rounds)
    report("tflite/conversion", name, times, unit="s", peer=PEER)


def timed(convert: Callable[[], object]) -> Callable[[], float]:
    def seconds() -> float:
        began = time.perf_counter()
        convert()
        return time.perf_counter() - began

    return seconds


if __name__ == "__main__":
    main()
