"""Every runtime against ONNX Runtime on every shipped checkpoint, from one quantisation.

Usage: python -m benchmarks.parity.int8_agreement [--images 10000] [--recipe balanced]
    [NETWORK-DATA …]

A checkpoint is quantised once, with 128 training images. Every artefact that is written from the
float graph and from the QDQ graph then classifies the same test images as ONNX Runtime does with
the graph itself: OpenVINO, LiteRT, and ONNX Runtime without graph optimisation, which computes the
QDQ graph as it is written, in float between its roundings. Printed are how often both name the same
class, how far the logits are apart, and how many convolutions and fully connected layers really run
in 8 bits; last, how often the int8 artefacts of all four name one class. The peer is OpenVINO
reading the QDQ graph on its own, which is none of the four.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.interleave import keep
from benchmarks.quantise.accuracy import BATCH, WEIGHTS, float_graph, pick, prepared
from benchmarks.quantise.quantisers import litert_run, onnxruntime_run
from edgecnn.data import load
from edgecnn.model.description import read_description
from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.openvino.placement import PRODUCTS, executed_precisions
from edgecnn_exporters.targets.openvino.write import OpenVinoModel, write_openvino
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.engines.onnxruntime import open_session, unoptimised_options
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.proportion import wilson_interval

ALONE = "OpenVINO alone"


@dataclass(frozen=True)
class Candidate:
    """An artefact in an engine.

    Attributes:
        run: (n, C, H, W) to logits (n, classes).
        integer: how many of its products run in 8 bits, out of `products`; None where unknown.
    """

    target: str
    precision: str
    run: Callable[[Float32], Float32]
    integer: int | None = None
    products: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--recipe", default="balanced", choices=("fast", "balanced", "best"))
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    print(
        f"{'target':<23}{'top-1':>7}{'agrees':>8}{'95 % interval':>14}"
        f"{'relative':>9}{'SQNR':>9}{'in 8 bits':>10}"
    )
    for name in options.names or sorted(path.stem for path in WEIGHTS.glob("*.safetensors")):
        measure(name, QuantConfig(options.recipe), options.images)


def measure(name: str, config: QuantConfig, count: int) -> None:
    """Write one checkpoint for every runtime, and print and keep how far each is from the graph."""
    description = read_description(WEIGHTS / f"{name}.safetensors")
    assert description is not None
    model = float_graph(WEIGHTS / f"{name}.safetensors")
    samples = [prepared(image, description) for image in pick(description.data)]
    graphs = {"fp32": model, "int8": quantise(model, samples, config).model}
    images, labels = load(description.data, "test", quiet=True)
    images, labels = images[:count], labels[:count]
    inputs = [
        np.concatenate([prepared(image, description) for image in images[i : i + BATCH]])
        for i in range(0, len(images), BATCH)
    ]

    def answer(run: Callable[[Float32], Float32]) -> Float32:
        return np.concatenate([run(batch) for batch in inputs])

    expected = {kind: answer(onnxruntime_run(to_bytes(graph))) for kind, graph in graphs.items()}
    print(name)
    for kind, logits in expected.items():
        top1 = (logits.argmax(1) == labels).mean()
        print(f"{'ONNX Runtime ' + kind:<23}{top1:>7.2%}", flush=True)
    classes = [expected["int8"].argmax(1)]
    for candidate in candidates(graphs):
        actual = answer(candidate.run)
        report(name, candidate, expected[baseline(candidate.precision)], actual, labels, config)
        if candidate.precision == "int8" and candidate.target != ALONE:
            classes.append(actual.argmax(1))
    unanimous = int(np.all([each == classes[0] for each in classes], axis=0).sum())
    low, high = wilson_interval(unanimous, len(labels))
    print(
        f"{'all four int8':<30}{unanimous / len(labels):>8.2%}"
        f"{f'{100 * low:.2f}–{100 * high:.2f}':>14}",
        flush=True,
    )
    row = {"network": name, "against": "one another", "target": "all four", "precision": "int8"}
    row |= {"recipe": config.recipe, "images": len(labels), "interval": [low, high]}
    keep("parity/int8_agreement", row | {"agreement": unanimous / len(labels)})


def baseline(precision: str) -> str:
    """The graph that an artefact was written from."""
    return "int8" if precision == "int8" else "fp32"


def candidates(graphs: dict[str, ir.Model]) -> Iterator[Candidate]:
    """Every artefact in every engine here; LiteRT's int8 with float images and results."""
    for precision in ("fp32", "fp16", "int8"):
        graph = graphs[baseline(precision)]
        yield by_openvino("OpenVINO", precision, write_openvino(graph, precision))
    own = OpenVinoModel(to_bytes(graphs["int8"]), b"")
    yield by_openvino(ALONE, "int8", own)
    file = write_tflite(graphs["int8"], TfliteOptions("int8"))
    yield Candidate("LiteRT", "int8", litert_run(file.content))
    session = open_session(to_bytes(graphs["int8"]), unoptimised_options())
    (image,) = (each.name for each in session.get_inputs())
    yield Candidate(
        "ORT unoptimised", "int8", lambda batch: np.array(session.run(None, {image: batch})[0])
    )


def by_openvino(target: str, precision: str, model: OpenVinoModel) -> Candidate:
    """Computed in float32 where it is not int8; else OpenVINO takes bfloat16 by default."""
    import openvino

    core = openvino.Core()
    read = core.read_model(model.xml, model.weights)
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    products = [n for n in executed_precisions(compiled).values() if n.kind in PRODUCTS]
    integer = sum(node.is_integer for node in products)
    return Candidate(
        target, precision, lambda batch: np.array(compiled(batch)[0]), integer, len(products)
    )


def report(
    name: str,
    candidate: Candidate,
    expected: Float32,
    actual: Float32,
    labels: np.ndarray[Any, Any],
    config: QuantConfig,
) -> None:
    far = difference([(expected, actual)])
    top1 = float((actual.argmax(1) == labels).mean())
    same = int((actual.argmax(1) == expected.argmax(1)).sum())
    low, high = wilson_interval(same, len(labels))
    placed = "" if candidate.products is None else f"{candidate.integer}/{candidate.products}"
    print(
        f"{f'{candidate.target} {candidate.precision}':<23}{top1:>7.2%}"
        f"{same / len(labels):>8.2%}{f'{100 * low:.2f}–{100 * high:.2f}':>14}"
        f"{far.relative:>9.1e}{far.sqnr_db:>6.1f} dB{placed:>10}",
        flush=True,
    )
    row = {"network": name, "against": "ONNX Runtime", "recipe": config.recipe}
    row |= {key: value for key, value in asdict(candidate).items() if key != "run"}
    row |= {"images": len(labels), "top1": top1, "agreement": same / len(labels)}
    row |= {"interval": [low, high], "relative": far.relative, "sqnr_db": far.sqnr_db}
    keep("parity/int8_agreement", row)


if __name__ == "__main__":
    main()
