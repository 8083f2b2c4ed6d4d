"""Speed of int8: full-size networks, one thread, beside ONNX Runtime's own int8 and OpenVINO's.

Usage: python -m benchmarks.quantise.speed [--rounds 20] [NETWORK …]

Random weights: they do not change speed. Every candidate runs once a round, in turned order every
other round, at batch 1; ratios are to fp32 in ONNX Runtime in the same round. Printed too: which
operators of our int8 graph ONNX Runtime computes in float. OpenVINO runs NNCF's model, and is left
out where the two are not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from benchmarks.interleave import interleave, report
from benchmarks.quantise.peers import by_nncf, by_onnxruntime
from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.examples import example_images
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.onnx.placement import place
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.image.preprocess import preprocess

NETWORKS = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "resnet50")
SAMPLES, WARM_UP, RUNS = 8, 5, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    for name in options.names or NETWORKS:
        measure(name, options.rounds)


def measure(name: str, rounds: int) -> None:
    """Time one network's candidates, and print which of our operators are not in integers."""
    model, samples = build(name)
    int8 = to_bytes(quantise(model, samples, QuantConfig("fast", "min-max")).model)
    candidates = {
        "ONNX Runtime fp32": onnxruntime_timer(to_bytes(model), samples[0]),
        "edgecnn int8": onnxruntime_timer(int8, samples[0]),
        "quantize_static int8": onnxruntime_timer(
            by_onnxruntime(to_bytes(model), samples), samples[0]
        ),
    }
    if importlib.util.find_spec("nncf") and importlib.util.find_spec("openvino"):
        candidates["NNCF int8, OpenVINO"] = openvino_timer(to_bytes(model), samples)
    times = interleave(candidates, rounds)
    report("quantise/speed", name, times, unit="ms", peer="ONNX Runtime fp32")
    placement = place(int8)
    real = ", ".join(f"{count} {operator}" for operator, count in placement.real.items())
    print(
        f"  of ours in float: {real or 'nothing'}; {placement.borders} ways in and out", flush=True
    )


def build(name: str) -> tuple[ir.Model, list[Float32]]:
    """The canonical graph, and photographs as its inputs."""
    network = build_network(resolve(name), NetworkOptions("random", quiet=True))
    assert network.preprocess is not None
    samples = [preprocess(image, network.preprocess) for image in example_images(SAMPLES)]
    feeds = [np.concatenate(samples[:size]) for size in (2, 3)]
    model = capture(network.module, run_module(network.module, feeds), batch=None, opset=18).model
    canonicalise(model)
    return model, samples


def onnxruntime_timer(model: bytes, sample: Float32) -> Callable[[], float]:
    engine = OnnxRuntimeEngine.open(model, threads=1)
    feeds = {engine.inputs[0].name: sample}
    return timer(lambda: engine.run(feeds))


def openvino_timer(model: bytes, samples: list[Float32]) -> Callable[[], float]:
    import openvino

    quantised_model = by_nncf(model, samples)
    quantised_model.reshape([1, *samples[0].shape[1:]])
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    request = openvino.Core().compile_model(quantised_model, "CPU", hints).create_infer_request()
    return timer(lambda: request.infer([samples[0]]))


def timer(run: Callable[[], object]) -> Callable[[], float]:
    """The median of a few runs in milliseconds, after a warm-up."""
    for _ in range(WARM_UP):
        run()

    def time_ms() -> float:
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - began))
        return float(np.median(times))

    return time_ms


if __name__ == "__main__":
    main()
