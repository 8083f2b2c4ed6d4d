"""int8 on ImageNet weights: agreement with float, SQNR and time, beside ONNX Runtime's and NNCF's.

Usage: python -m benchmarks.quantise.imagenet [--recipe balanced] [--samples 128] [--per-tensor]

Calibrated with crops and mirror images of edgecnn's four photographs, judged on five crops of each
of the twenty labelled ImageNet photographs: none is in both. With so few, top-1 says little and
agreement and SQNR say more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.interleave import keep
from benchmarks.quantise.accuracy import Classify, by_nncf, by_onnxruntime, onnxruntime_run
from edgecnn.fetch import fetch
from edgecnn.model.build import NetworkOptions, build_network
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.examples import example_images
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.proportion import wilson_interval

NETWORKS = ("mobilenet_v2", "efficientnet_lite0")
DIFFERENT = 32
MARGINS = ((0, 0), (0, 24), (24, 0), (24, 24), (48, 48))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="balanced", choices=("fast", "balanced", "best"))
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--per-tensor", action="store_true")
    options = parser.parse_args()
    print(f"{'network':<20}{'quantiser':<22}{'top-1':>7}{'agrees':>22}{'SQNR':>9}{'s':>7}")
    for name in NETWORKS:
        measure(name, options.recipe, options.samples, per_channel=not options.per_tensor)


def measure(name: str, recipe: str, count: int, *, per_channel: bool) -> None:
    """Quantise one network with every quantiser, and print and keep the results."""
    network = build_network(resolve(name), NetworkOptions(quiet=True))
    assert network.preprocess is not None
    # As many different ones as the photographs give; more of them only take their time.
    different = [
        preprocess(image, network.preprocess) for image in example_images(min(count, DIFFERENT))
    ]
    samples = (different * -(-count // DIFFERENT))[:count]
    feeds = [np.concatenate(samples[:size]) for size in (2, 3)]
    model = capture(network.module, run_module(network.module, feeds), batch=None, opset=18).model
    canonicalise(model)
    inputs, labels = judges(network.preprocess)
    expected = np.concatenate([onnxruntime_run(to_bytes(model))(each) for each in inputs])
    right = int((expected.argmax(1) == labels).sum())
    print(f"{name:<20}{'float':<22}{right:>3}/{len(labels)}", flush=True)
    config = QuantConfig(recipe, per_channel=per_channel)
    makers: dict[str, Callable[[], Classify]] = {
        f"edgecnn {recipe}": lambda: onnxruntime_run(
            to_bytes(quantise(model, samples, config).model)
        ),
        "quantize_static": lambda: onnxruntime_run(
            by_onnxruntime(to_bytes(model), samples, per_channel=per_channel)
        ),
        "NNCF": lambda: by_nncf(to_bytes(model), samples),
    }
    for quantiser, run, seconds in each_quantiser(makers):
        actual = np.concatenate([run(each) for each in inputs])
        far = difference([(expected, actual)])
        low, high = wilson_interval(round(far.top1_agreement * far.n), far.n)
        right = int((actual.argmax(1) == labels).sum())
        agrees = f"{far.top1_agreement:.0%} ({100 * low:.0f}–{100 * high:.0f})"
        print(
            f"{'':<20}{quantiser:<22}{right:>3}/{len(labels)}{agrees:>22}"
            f"{far.sqnr_db:>6.1f} dB{seconds:>7.1f}",
            flush=True,
        )
        row = {"network": name, "quantiser": quantiser, "per_channel": per_channel}
        row |= {"samples": count, "right": right, "agreement": far.top1_agreement}
        keep("quantise/imagenet", row | {"n": far.n, "sqnr_db": far.sqnr_db, "seconds": seconds})


def each_quantiser(
    makers: dict[str, Callable[[], Classify]],
) -> Iterator[tuple[str, Classify, float]]:
    """Every quantiser's network and how long it took; what is not installed is left out."""
    for name, make in makers.items():
        began = time.perf_counter()
        try:
            run = make()
        except ModuleNotFoundError:
            continue
        yield name, run, time.perf_counter() - began


def judges(prepare: Preprocess) -> tuple[list[Float32], np.ndarray]:
    """(1, 3, H, W) each, and their classes."""
    inputs, labels = [], []
    for path in sorted(fetch("imagenet-samples", quiet=True).glob("*.jpg")):
        image = load_image(path)
        for top, left in MARGINS:
            inputs.append(preprocess(image[top:, left:], prepare))
            labels.append(int(path.stem.rpartition("_")[2]))
    return inputs, np.array(labels)


if __name__ == "__main__":
    main()
