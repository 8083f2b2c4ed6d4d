"""int8 against float on every shipped checkpoint, beside the quantisers of others.

Usage: python -m benchmarks.quantise.accuracy [--recipe best] [--images 10000] [--per-tensor]
                                               [--batch-norm] [NETWORK-DATA …]

All of `benchmarks.quantise.peers` quantise the same float graph with the same 128 training images,
and classify the same test images. Printed are each one's drop in points of top-1, how often it
names float's class, and the SQNR of its logits; below, ours beside the best peer, paired image by
image: it is worse where McNemar's exact test says so at 5 %. The best of several is chosen by the
same images, which favours it. With --batch-norm ours sees no training image: batch normalisation
tells the ranges, and edgecnn's photographs judge; checkpoints without batch normalisation are left
out. With --per-tensor only the peers that have such weights remain.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.interleave import keep
from benchmarks.quantise.peers import peers
from benchmarks.quantise.quantisers import (
    Made,
    Quantiser,
    available,
    make_each,
    onnxruntime_run,
    ours,
)
from edgecnn.data import load
from edgecnn.evaluate.paired import compare
from edgecnn.exporting.calibration import open_calibration
from edgecnn.model.build import build_network
from edgecnn.model.description import Description, read_description
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.norm_statistics import norm_statistics, note_moments
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.passes.moments import noted
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_runtime.arrays import Float32, Int64
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.tensor_spec import TensorSpec

WEIGHTS = Path(__file__).parents[2] / "weights/edgecnn_weights"
CALIBRATE, BATCH = 128, 100
# Of McNemar's test.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Test:
    """The test images of a checkpoint, in batches, with the float network's answers.

    Attributes:
        inputs: (BATCH, C, H, W) each, the last one smaller.
        labels: (N,).
        expected: (N, classes), the float network's logits.
    """

    inputs: Sequence[Float32]
    labels: Int64
    expected: Float32

    @property
    def top1(self) -> float:
        """Top-1 of the float network."""
        return float((self.expected.argmax(1) == self.labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--recipe", default="best", choices=("fast", "balanced", "best"))
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--per-tensor", action="store_true")
    parser.add_argument("--batch-norm", action="store_true")
    options = parser.parse_args()
    config = QuantConfig(options.recipe, per_channel=not options.per_tensor)
    others = available(peers(per_channel=config.per_channel))
    print(
        f"{'quantiser':<28}{'top-1':>8}{'drop':>7}{'agrees':>9}{'SQNR':>10}{'CPU s':>9}{'wall':>8}"
    )
    for name in options.names or sorted(path.stem for path in WEIGHTS.glob("*.safetensors")):
        measure(name, config, others, options.images, is_data_free=options.batch_norm)


def measure(
    name: str,
    config: QuantConfig,
    others: Sequence[Quantiser],
    count: int,
    *,
    is_data_free: bool = False,
) -> None:
    """Quantise one checkpoint with every quantiser, and print and keep the results."""
    path = WEIGHTS / f"{name}.safetensors"
    description = read_description(path)
    assert description is not None
    model = float_graph(path)
    if is_data_free and not any(noted(output) for node in model.graph for output in node.outputs):
        return
    test = prepare_test(model, description, count)
    print(f"{name}\n  {'float':<26}{test.top1:>8.2%}", flush=True)
    own = by_batch_norm(model, description, config) if is_data_free else ours(config)
    samples = [prepared(image, description) for image in pick(description.data)]
    classes = {}
    for made in make_each((own, *others), to_bytes(model), samples):
        row = {"network": name, "recipe": config.recipe, "per_channel": config.per_channel}
        classes[made.name] = judge(made, test, row)
    if own.name in classes and len(classes) > 1:
        beside_best(own.name, classes, test.labels, {"network": name, "recipe": config.recipe})


def judge(made: Made, test: Test, row: dict[str, Any]) -> Int64:
    """The classes, (N,), that one quantiser's network names; prints and keeps how good they are."""
    actual = np.concatenate([made.classify(batch) for batch in test.inputs])
    far = difference([(test.expected, actual)])
    classes = actual.argmax(1)
    top1 = float((classes == test.labels).mean())
    print(
        f"  {made.name:<26}{top1:>8.2%}{100 * (test.top1 - top1):>+7.2f}{far.top1_agreement:>9.2%}"
        f"{far.sqnr_db:>7.1f} dB{made.cpu_s:>9.1f}{made.wall_s:>8.1f}",
        flush=True,
    )
    row |= {"quantiser": made.name, "images": len(test.labels), "top1": top1}
    row |= {"float_top1": test.top1, "agreement": far.top1_agreement, "sqnr_db": far.sqnr_db}
    keep("quantise/accuracy", row | {"seconds": made.wall_s, "cpu_seconds": made.cpu_s})
    return classes


def beside_best(own: str, classes: dict[str, Int64], labels: Int64, row: dict[str, Any]) -> None:
    """Print and keep ours beside the peer of the highest top-1, image by image."""
    right = {name: int((each == labels).sum()) for name, each in classes.items() if name != own}
    best = max(right, key=lambda name: right[name])
    pair = compare(classes[best], classes[own], labels)
    points = 100 * (pair.wrong_to_right - pair.right_to_wrong) / pair.images
    verdict = "no difference"
    if pair.p < SIGNIFICANT:
        verdict = "WORSE" if points < 0 else "better"
    print(
        f"  best peer: {best}; ours {points:+.2f} points: {verdict}\n    (only ours right "
        f"{pair.wrong_to_right}, only the peer {pair.right_to_wrong}, p {pair.p:.2g})",
        flush=True,
    )
    row |= {"quantiser": own, "best_peer": best, "images": pair.images, "p": pair.p}
    row |= {"only_ours": pair.wrong_to_right, "only_peer": pair.right_to_wrong, "verdict": verdict}
    keep("quantise/accuracy_paired", row)


def prepare_test(model: ir.Model, description: Description, count: int) -> Test:
    """The first `count` test images as the network's inputs, and what it answers in float."""
    images, labels = load(description.data, "test", quiet=True)
    images, labels = images[:count], labels[:count]
    inputs = [
        np.concatenate([prepared(image, description) for image in images[i : i + BATCH]])
        for i in range(0, len(images), BATCH)
    ]
    run = onnxruntime_run(to_bytes(model))
    return Test(inputs, labels, np.concatenate([run(batch) for batch in inputs]))


def float_graph(path: Path) -> ir.Model:
    """The checkpoint's canonical ONNX graph, as `edgecnn export` makes it."""
    network = build_network(resolve(str(path)), NetworkOptions(quiet=True))
    feeds = [np.zeros((size, *network.shape), np.float32) for size in (2, 3)]
    model = capture(network.module, run_module(network.module, feeds), batch=None, opset=18).model
    canonicalise(model)
    note_moments(model, norm_statistics(network.module, feeds[0]))
    return model


def by_batch_norm(model: ir.Model, description: Description, config: QuantConfig) -> Quantiser:
    """Ours as `--calibrate batch-norm`: ranges from the graph's notes, which bytes do not hold."""
    spec = TensorSpec("input", "float32", (None, *description.input))
    own = open_calibration("batch-norm", spec, description.preprocess, 0)
    return Quantiser(
        f"edgecnn {config.recipe}, no data",
        lambda *_: to_bytes(quantise(model, own.samples, config, inputs=own.inputs).model),
        onnxruntime_run,
    )


def pick(data: str) -> Float32:
    """The training images that all quantisers calibrate with."""
    images, _ = load(data, "train", quiet=True)
    return images[np.sort(np.random.default_rng(0).permutation(len(images))[:CALIBRATE])]


def prepared(image: Any, description: Description) -> Float32:
    """(1, C, H, W), as the network reads it."""
    colour = image.repeat(3, axis=-1) if image.shape[-1] == 1 else image
    return preprocess(colour, description.preprocess)


if __name__ == "__main__":
    main()
