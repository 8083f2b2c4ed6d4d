"""Count of TRANSPOSE operators in the zoo's TFLite files, beside litert-torch's.

Usage: python -m benchmarks.tflite.transposes [--full] [--no-peer] [NETWORK …]

Every network in float, with 16-bit weights and in int8 (float and integer results), in the thin
form of tests/parity (so pytest is needed too): all its kinds of layers, fewer or narrower; --full
takes the published sizes. litert-torch converts the first of every family, as the module is
(channels first) and with its own wrapper for images channels last.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.interleave import keep
from benchmarks.tflite.litert import operators_of
from benchmarks.tflite.peers import by_litert_torch, require_peers
from edgecnn.model.build import build_network
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn.zoo import ARCHITECTURES, FAMILIES
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from parity.test_zoo import thin_form

FIRST = [family.architectures[0].name for family in FAMILIES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ARCHITECTURES))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    if not options.no_peer:
        require_peers()
    torch.set_num_threads(1)
    print(f"{'network':<22}{'fp32':>6}{'fp16':>6}{'int8':>6}{'int8 io':>9}{'operators':>11}  peer")
    for name in options.names:
        choice = NetworkOptions("random", quiet=True)
        if not options.full:
            choice = replace(choice, form=thin_form(name))
        network = build_network(resolve(name), choice)
        counts = own(network)
        if name in FIRST and not options.no_peer:
            counts |= peers(network)
        show(name, counts)
        keep("tflite/transposes", {"network": name, "full": options.full} | counts)


def own(network: Network) -> dict[str, int]:
    """TRANSPOSE operators in each of our files, and all operators of the float one."""
    network.module.eval()
    random = np.random.default_rng(0)
    feeds = [random.standard_normal((size, *network.shape), np.float32) for size in (2, 3)]
    model = capture(network.module, run_module(network.module, feeds), batch=None, opset=18).model
    canonicalise(model)
    samples = [feeds[0][:1], feeds[0][1:]]
    integers = quantise(model, samples, QuantConfig("fast", "min-max")).model
    plain = write_tflite(model)
    return {
        "fp32": plain.transposes,
        "fp16": write_tflite(model, TfliteOptions("fp16")).transposes,
        "int8": write_tflite(integers, TfliteOptions("int8")).transposes,
        "int8 io": write_tflite(integers, TfliteOptions("int8", "int8")).transposes,
        "operators": sum(plain.operators.values()),
    }


def peers(network: Network) -> dict[str, int]:
    """TRANSPOSE operators in litert-torch's file, for images channels first and last."""
    return {
        f"litert-torch, channels {'last' if last else 'first'}": operators_of(
            by_litert_torch(network.module, network.shape, channels_last=last)
        )["TRANSPOSE"]
        for last in (False, True)
    }


def show(name: str, counts: dict[str, int]) -> None:
    mine = (
        f"{name:<22}{counts['fp32']:>6}{counts['fp16']:>6}{counts['int8']:>6}{counts['int8 io']:>9}"
    )
    others = [f"{value} ({key})" for key, value in counts.items() if "litert" in key]
    print(f"{mine}{counts['operators']:>11}  {', '.join(others)}", flush=True)


if __name__ == "__main__":
    main()
