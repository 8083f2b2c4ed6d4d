"""int8 on ImageNet weights: agreement with float, SQNR of each image and time, beside others'.

Usage: python -m benchmarks.quantise.imagenet [--recipe balanced] [--samples 128] [--per-tensor]
                            [--data FOLDER] [--outliers SHARE] [NETWORK …]

All of `benchmarks.quantise.peers` quantise the same float graph with the same samples. --data names
a folder of class folders of photographs: of each class, files by name, the even ones calibrate and
the odd ones judge. Without it crops and mirror images of edgecnn's four photographs calibrate, and
five crops of each of the twenty labelled ImageNet photographs judge, and scikit-image's pictures
where it is installed; crops of one photograph are alike, so that intervals are too narrow.

Printed are, for every quantiser:
- how often it names float's class, with Wilson's 95 % interval; beside ours, the images on which
  only it, or only ours, does so, with the p of McNemar's exact test;
- processor and wall seconds of quantising, after imports;
- the SQNR of an image's logits y, 10 log10(|y - mean(y)|^2 / |y - y_int8|^2) over its classes: mean
  and 5 % quantile over images, the worst image; and that of all images as one, about one mean.

With --outliers 0.1 a tenth of the calibration samples is replaced by saturated, white, black and
noisy images and line drawings, always the same: every quantiser runs with and without them, and
what its mean loses is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.interleave import keep
from benchmarks.quantise.outliers import plant
from benchmarks.quantise.peers import peers
from benchmarks.quantise.photographs import calibrating, judging
from benchmarks.quantise.quantisers import (
    Classify,
    Made,
    available,
    make_each,
    onnxruntime_run,
    ours,
)
from edgecnn.evaluate.paired import compare
from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.calibrate.samples import Spool
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_runtime.arrays import Float32, Float64, Int64
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.proportion import wilson_interval

NETWORKS = ("mobilenet_v2", "efficientnet_lite0")
NONE = -1
# Of a file's name, from its end.
SHOWN = 30


@dataclass(frozen=True)
class Judges:
    """Images that judge, with the float network's answers.

    Attributes:
        names: of the files.
        labels: (N,), `NONE` where not known.
        inputs: (1, 3, H, W) each.
        expected: (N, classes), the float network's logits.
    """

    names: Sequence[str]
    labels: Int64
    inputs: Spool
    expected: Float32

    @property
    def classes(self) -> Int64:
        """The classes that the float network names, (N,)."""
        return self.expected.argmax(1)


@dataclass(frozen=True)
class Answers:
    """One quantiser's logits, (N, classes), beside the float network's."""

    expected: Float32
    actual: Float32

    @property
    def classes(self) -> Int64:
        return self.actual.argmax(1)

    @cached_property
    def image_db(self) -> Float64:
        """The SQNR of each image in dB, (N,); infinite where equal."""
        reference, actual = self.expected.astype(np.float64), self.actual.astype(np.float64)
        signal = ((reference - reference.mean(1, keepdims=True)) ** 2).sum(1)
        with np.errstate(divide="ignore"):
            return 10 * np.log10(signal / ((reference - actual) ** 2).sum(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NETWORKS)
    parser.add_argument("--recipe", default="balanced", choices=("fast", "balanced", "best"))
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--per-tensor", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--outliers", type=float, default=0.0, metavar="SHARE")
    options = parser.parse_args()
    print(
        f"{'quantiser':<26}{'agrees':>19}{'mean':>6}{'5 %':>5}{'worst':>6}{'all':>5}"
        f"{'CPU s':>6}{'wall':>6}"
    )
    for name in options.names:
        measure(name, options)


def measure(name: str, options: argparse.Namespace) -> None:
    """Quantise one network with every quantiser, and print and keep the results."""
    config = QuantConfig(options.recipe, per_channel=not options.per_tensor)
    quantisers = available((ours(config), *peers(per_channel=config.per_channel)))
    images = calibrating(options.data, options.samples)
    model, prepare = float_graph(name, images[:3])
    judges = prepare_judges(onnxruntime_run(model), options.data, prepare)
    labelled = int((judges.labels != NONE).sum())
    told = f"; float names {right(judges.classes, judges)} of {labelled}" if labelled else ""
    print(f"{name}: {len(images)} calibrate, {len(judges.names)} judge{told}", flush=True)
    shares = (0.0, options.outliers) if options.outliers else (0.0,)
    clean: dict[str, float] = {}
    for share in shares:
        chosen = plant(images, share) if share else images
        samples = [preprocess(image, prepare) for image in chosen]
        own: Answers | None = None
        if share:
            print(f"{name}: {share:.0%} of the calibration samples are outliers", flush=True)
        for made in make_each(quantisers, model, samples):
            answers = Answers(judges.expected, answer(made.classify, judges.inputs))
            own = own or answers
            mean = float(answers.image_db.mean())
            lost = clean.setdefault(made.name, mean) - mean
            row = {"network": name, "recipe": config.recipe, "per_channel": config.per_channel}
            row |= {"data": str(options.data or ""), "samples": len(samples), "outliers": share}
            row |= report(made, answers, None if own is answers else own, judges)
            if share:
                print(f"    outliers cost {lost:.1f} dB of the mean", flush=True)
            keep("quantise/imagenet", row | {"outliers_cost_db": lost})
    judges.inputs.close()


def float_graph(name: str, images: Sequence[np.ndarray]) -> tuple[bytes, Preprocess]:
    """The canonical ONNX graph of a network with ImageNet weights, and its preprocessing."""
    network = build_network(resolve(name), NetworkOptions(quiet=True))
    assert network.preprocess is not None
    inputs = [preprocess(image, network.preprocess) for image in images]
    feeds = [np.concatenate((inputs * 3)[:size]) for size in (2, 3)]
    model = capture(network.module, run_module(network.module, feeds), batch=None, opset=18).model
    canonicalise(model)
    return to_bytes(model), network.preprocess


def prepare_judges(run: Classify, data: Path | None, prepare: Preprocess) -> Judges:
    """The images that judge as the network's inputs, in a file, and its answers."""
    names: list[str] = []
    labels: list[int] = []

    def inputs() -> Iterator[Float32]:
        for each in judging(data):
            names.append(each.name)
            labels.append(NONE if each.label is None else each.label)
            yield preprocess(each.image, prepare)

    spool = Spool(inputs())
    return Judges(names, np.array(labels), spool, answer(run, spool))


def answer(run: Classify, inputs: Spool) -> Float32:
    """Logits, (N, classes), of one image at a time."""
    return np.concatenate([run(each) for each in inputs])


def right(classes: Int64, judges: Judges) -> int:
    """How many of the labelled images are named rightly."""
    return int((classes == judges.labels).sum())


def report(made: Made, answers: Answers, own: Answers | None, judges: Judges) -> dict[str, object]:
    """Print how good one quantiser's network is, and give it as a row."""
    far = difference([(answers.expected, answers.actual)])
    same = round(far.top1_agreement * far.n)
    low, high = wilson_interval(same, far.n)
    decibels = answers.image_db
    worst = int(decibels.argmin())
    row: dict[str, object] = {"quantiser": made.name, "right": right(answers.classes, judges)}
    row |= {"n": far.n, "agreement": same / far.n, "interval": [low, high]}
    mean, low_db = float(decibels.mean()), float(np.quantile(decibels, 0.05))
    least, name = float(decibels[worst]), judges.names[worst]
    beside = ""
    if own is not None:
        pair = compare(own.classes, answers.classes, judges.classes)
        beside = f"; only it {pair.wrong_to_right}, only ours {pair.right_to_wrong}, p {pair.p:.2g}"
        row |= {"only_peer": pair.wrong_to_right, "only_ours": pair.right_to_wrong, "p": pair.p}
    print(
        f"{made.name:<26}{f'{same / far.n:.1%} ({100 * low:.1f}–{100 * high:.1f})':>19}"
        f"{mean:>6.1f}{low_db:>5.1f}{least:>6.1f}{far.sqnr_db:>5.1f}"
        f"{made.cpu_s:>6.1f}{made.wall_s:>6.1f}\n    worst {name[-SHOWN:]}{beside}",
        flush=True,
    )
    row |= {"mean_db": mean, "quantile_5_db": low_db, "worst_db": least, "worst": name}
    row |= {"sqnr_db": far.sqnr_db, "image_db": decibels.round(3).tolist()}
    return row | {"seconds": made.wall_s, "cpu_seconds": made.cpu_s}


if __name__ == "__main__":
    main()
