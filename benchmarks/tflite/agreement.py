"""LiteRT's int8 against ONNX Runtime's from one quantisation, on every shipped checkpoint.

Usage: python -m benchmarks.tflite.agreement [--images 10000] [--recipe balanced] [NETWORK-DATA …]

A checkpoint is quantised once, with 128 training images; ONNX Runtime runs the QDQ graph, LiteRT
the TFLite file that is written from it, with float images and results or with int8 ones. Printed
are how often both name the same class, and which share of the logits is within one step of each
other: a step is what 8 bits of the result stand for, noted in the QDQ graph. Results in int8 are
compared with ONNX Runtime's rounded to the same 8 bits; of classes that then share the largest
integer the first counts, on both sides.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.interleave import keep
from benchmarks.quantise.accuracy import BATCH, WEIGHTS, float_graph, pick, prepared
from benchmarks.quantise.quantisers import onnxruntime_run
from benchmarks.tflite.litert import TO_NHWC, LiteRT
from edgecnn.data import load
from edgecnn.model.description import read_description
from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.output_encodings import noted_encoding
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Encoding
from edgecnn_runtime.parity.proportion import wilson_interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--recipe", default="balanced", choices=("fast", "balanced", "best"))
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    print(
        f"{'network':<28}{'results':<10}{'ORT':>8}{'LiteRT':>8}{'agrees':>9}"
        f"{'95 % interval':>17}{'within a step':>15}{'largest':>9}"
    )
    for name in options.names or sorted(path.stem for path in WEIGHTS.glob("*.safetensors")):
        measure(name, QuantConfig(options.recipe), options.images)


def measure(name: str, config: QuantConfig, count: int) -> None:
    """Compare one checkpoint's two runtimes, with float results and with int8 ones."""
    description = read_description(WEIGHTS / f"{name}.safetensors")
    assert description is not None
    samples = [prepared(image, description) for image in pick(description.data)]
    model = quantise(float_graph(WEIGHTS / f"{name}.safetensors"), samples, config).model
    images, labels = load(description.data, "test", quiet=True)
    # Whole batches: the TFLite file has its batch fixed.
    count = min(count, len(images)) // BATCH * BATCH
    inputs = [
        np.concatenate([prepared(image, description) for image in images[i : i + BATCH]])
        for i in range(0, count, BATCH)
    ]
    run = onnxruntime_run(to_bytes(model))
    expected = np.concatenate([run(batch) for batch in inputs])
    encoding = result_encoding(model)
    for io in ("float32", "int8"):
        file = write_tflite(model, TfliteOptions("int8", io, BATCH))
        engine = LiteRT(file.content)
        logits = np.concatenate([engine.run(batch.transpose(TO_NHWC)) for batch in inputs])
        theirs = expected if io == "float32" else rounded(expected, encoding)
        row = {"network": name, "recipe": config.recipe, "io": io, "step": encoding.scale}
        row |= compared(theirs, logits, labels[:count], encoding.scale)
        show(row)
        keep("tflite/agreement", row | {"operators": dict(file.operators)})


def result_encoding(model: ir.Model) -> Encoding:
    """The 8-bit encoding of the logits."""
    last = model.graph.outputs[0]
    while (encoding := noted_encoding(last)) is None:
        before = last.producer()
        assert before is not None
        assert before.inputs[0] is not None
        last = before.inputs[0]
    return encoding


def rounded(logits: Float32, encoding: Encoding) -> Float32:
    """The logits as 8 bits hold them."""
    steps = np.rint(logits / np.float32(encoding.scale)) + encoding.zero_point
    integers = np.clip(steps, 0, 255) - encoding.zero_point
    return (np.float32(encoding.scale) * integers).astype(np.float32)


def compared(
    expected: Float32, actual: Float32, labels: np.ndarray[Any, Any], step: float
) -> dict[str, Any]:
    """Both accuracies, agreement with its interval, and how many steps lie between."""
    steps = np.abs(expected - actual) / step
    same = int((expected.argmax(1) == actual.argmax(1)).sum())
    return {
        "images": len(labels),
        "onnxruntime_top1": float((expected.argmax(1) == labels).mean()),
        "litert_top1": float((actual.argmax(1) == labels).mean()),
        "agreement": same / len(labels),
        "interval": list(wilson_interval(same, len(labels))),
        # Differences of whole steps come out of float32 a little above them.
        "within_a_step": float((steps <= 1 + 1e-4).mean()),
        "largest_steps": float(steps.max()),
    }


def show(row: dict[str, Any]) -> None:
    low, high = row["interval"]
    print(
        f"{row['network']:<28}{row['io']:<10}{row['onnxruntime_top1']:>8.2%}"
        f"{row['litert_top1']:>8.2%}{row['agreement']:>9.2%}"
        f"{f'{100 * low:.2f}–{100 * high:.2f}':>17}{row['within_a_step']:>15.3%}"
        f"{row['largest_steps']:>9.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
