"""Latency of our TFLite files in LiteRT beside the peers' own: full-size networks, batch 1.

Usage: python -m benchmarks.tflite.speed [--rounds 40] [--threads 1] [NETWORK …]

The peers are litert-torch (float, images channels last as ours) and ai-edge-quantizer (static int8,
weights per channel, integers in and out) on that file, calibrated with the same photographs. Every
candidate runs once a round, in turned order every other round. A shared machine takes the processor
away for milliseconds; so with one thread the same is measured again in processor time, which that
does not touch. Printed too: how far each is from PyTorch on the photographs, so that nobody wins by
being wrong.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from benchmarks.interleave import interleave, keep
from benchmarks.quantise.peers import by_ai_edge_quantizer
from benchmarks.tflite.litert import TO_NHWC, LiteRT
from benchmarks.tflite.peers import FIVE, by_litert_torch, network_and_images, require_peers
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.parity.difference import difference

SAMPLES = 8
PEER_FP32, PEER_INT8 = "litert-torch fp32", "ai-edge-quantizer int8"
OWN_FP32, OWN_INT8, OWN_FLOAT_IO = "edgecnn fp32", "edgecnn int8", "edgecnn int8, float io"

RATIOS = (
    (OWN_FP32, PEER_FP32),
    (OWN_INT8, PEER_INT8),
    (OWN_FLOAT_IO, PEER_INT8),
    (OWN_INT8, OWN_FP32),
    (PEER_INT8, PEER_FP32),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=FIVE)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    require_peers()
    torch.set_num_threads(1)
    for name in options.names:
        measure(name, options.rounds, options.threads)


def measure(name: str, rounds: int, threads: int) -> None:
    """Time one network's files, ours beside the peers', and int8 beside float."""
    network, samples = network_and_images(name, SAMPLES)
    with torch.no_grad():
        expected = network.module(torch.from_numpy(np.concatenate(samples))).numpy()
    files = written(network.module, network.shape, samples)
    engines = {candidate: LiteRT(content, threads) for candidate, content in files.items()}
    images = [sample.transpose(TO_NHWC) for sample in samples]
    compare(name, engines, images, expected)
    clocks = {"wall": time.perf_counter}
    if threads == 1:
        clocks["processor"] = time.process_time
    for clock, read in clocks.items():
        timers = {c: engine.timer(images[0], clock=read) for c, engine in engines.items()}
        what = f"{name}, {threads} thread{'s' * (threads > 1)}, {clock} time"
        show(what, interleave(timers, rounds))


def show(what: str, times: Mapping[str, Sequence[float]]) -> None:
    """Print medians and the ratios that matter; keep every sample."""
    print(f"{what} (n = {len(times[PEER_FP32])}, interleaved)")
    print(
        "  " + ", ".join(f"{each} {statistics.median(own):.2f} ms" for each, own in times.items())
    )
    for own, other in RATIOS:
        ratios = [a / b for a, b in zip(times[own], times[other], strict=True)]
        low, high = np.quantile(ratios, [0.25, 0.75])
        print(
            f"  {own + ' / ' + other:<46}{statistics.median(ratios):>7.3f}  "
            f"(half of the rounds {low:.3f} to {high:.3f})",
            flush=True,
        )
    keep("tflite/speed", {"what": what, "unit": "ms", "samples": dict(times)})


def written(
    module: torch.nn.Module, shape: tuple[int, ...], samples: list[Float32]
) -> dict[str, bytes]:
    """Every candidate's file."""
    feeds = [np.concatenate(samples[:size]) for size in (2, 3)]
    model = capture(module, run_module(module, feeds), batch=None, opset=18).model
    canonicalise(model)
    integers = quantise(model, samples, QuantConfig("fast", "min-max")).model
    peer = by_litert_torch(module, shape, channels_last=True)
    images = [sample.transpose(TO_NHWC) for sample in samples]
    return {
        PEER_FP32: peer,
        OWN_FP32: write_tflite(model).content,
        PEER_INT8: by_ai_edge_quantizer(peer, images),
        OWN_INT8: write_tflite(integers, TfliteOptions("int8", "int8")).content,
        OWN_FLOAT_IO: write_tflite(integers, TfliteOptions("int8")).content,
    }


def compare(
    name: str, engines: Mapping[str, LiteRT], images: list[Float32], expected: Float32
) -> None:
    """Print and keep how far every candidate's answers are from PyTorch's."""
    print(f"{name}, against PyTorch on {len(images)} photographs")
    for candidate, engine in engines.items():
        actual = np.concatenate([engine.run(image) for image in images]).reshape(expected.shape)
        far = difference([(expected, actual)])
        print(
            f"  {candidate:<28}relative {far.relative:.1e}, top-1 equal {far.top1_agreement:.0%}, "
            f"{far.sqnr_db:.1f} dB",
            flush=True,
        )
        row = {"what": name, "candidate": candidate, "relative": far.relative}
        keep("tflite/speed", row | {"agreement": far.top1_agreement, "sqnr_db": far.sqnr_db})


if __name__ == "__main__":
    main()
