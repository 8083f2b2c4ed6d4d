"""Quantisation error of weights alone and of activations alone, and near-ties of float's classes.

Usage: python -m benchmarks.quantise.floor [--images 10000] [--recipe balanced] [NETWORK-DATA …]

A shipped checkpoint is quantised once, with 128 training images. Beside the whole of it, in ONNX
Runtime, stand its graph without a rounding of activations, and its graph with float weights and
biases. An image is near a tie where the difference of float's two best logits is smaller than two
standard deviations of what int8 changes of it. The peer is `quantize_static` with percentile
ranges, whose images near a tie are counted alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from benchmarks.interleave import keep
from benchmarks.quantise.accuracy import BATCH, WEIGHTS, float_graph, pick, prepared
from benchmarks.quantise.peers import by_onnxruntime
from benchmarks.quantise.quantisers import onnxruntime_run
from benchmarks.tflite.litert import silence
from edgecnn.data import load
from edgecnn.model.description import read_description
from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.passes.graph import constant, set_constant
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.quantise.state import LadderState
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.parity.difference import difference

NAMES = ("mobilenet_v3_small-cifar10", "efficientnet_b0-cifar10")


@dataclass(frozen=True)
class Ties:
    """Of all images, and of those that change their class, the share that is near a tie."""

    all: float
    changed: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--recipe", default="balanced", choices=("fast", "balanced", "best"))
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    print(f"{'in 8 bits':<28}{'drop':>8}{'agrees':>9}{'SQNR':>9}   near a tie: all, changed")
    for name in options.names:
        measure(name, QuantConfig(options.recipe), options.images)


def measure(name: str, config: QuantConfig, count: int) -> None:
    """Print and keep the floor of one checkpoint."""
    path = WEIGHTS / f"{name}.safetensors"
    description = read_description(path)
    assert description is not None
    model = float_graph(path)
    samples = [prepared(image, description) for image in pick(description.data)]
    state = quantise(model, samples, config).state
    images, labels = load(description.data, "test", quiet=True)
    inputs = [
        np.concatenate([prepared(image, description) for image in images[i : i + BATCH]])
        for i in range(0, count, BATCH)
    ]

    def answer(model: bytes) -> Float32:
        run = onnxruntime_run(model)
        return np.concatenate([run(batch) for batch in inputs])

    expected = answer(to_bytes(model))
    forms: dict[str, Callable[[], bytes]] = {
        "all": lambda: to_bytes(state.qdq),
        "weights": lambda: to_bytes(weights_alone(state)),
        "activations": lambda: to_bytes(activations_alone(state)),
        "all, quantize_static": lambda: by_onnxruntime(
            to_bytes(model), samples, method="percentile"
        ),
    }
    print(name)
    for form, make in forms.items():
        with silence():
            made = make()
        actual = answer(made)
        drop = top1(expected, labels[:count]) - top1(actual, labels[:count])
        agreement = float((expected.argmax(1) == actual.argmax(1)).mean())
        sqnr, near = difference([(expected, actual)]).sqnr_db, ties(expected, actual)
        print(
            f"{form:<28}{100 * drop:>+8.2f}{agreement:>9.2%}{sqnr:>6.1f} dB"
            f"   {near.all:.1%}, {near.changed:.1%}",
            flush=True,
        )
        row = {"network": name, "in_8_bits": form, "recipe": config.recipe, "images": count}
        row |= {"drop": drop, "agreement": agreement, "sqnr_db": sqnr, "ties": vars(near)}
        keep("quantise/floor", row)


def top1(logits: Float32, labels: Float32) -> float:
    return float((logits.argmax(1) == labels).mean())


def weights_alone(state: LadderState) -> ir.Model:
    """The quantised graph without a rounding of its activations."""
    model = state.qdq.clone()
    for node in model.graph:
        if node.op_type != "QuantizeLinear" or node.inputs[0] is None:
            continue
        for use in list(node.outputs[0].uses()):
            ir.convenience.replace_all_uses_with(
                use.node.outputs[0], node.inputs[0], replace_graph_outputs=True
            )
    return model


def activations_alone(state: LadderState) -> ir.Model:
    """The quantised graph with the float network's weights and biases."""
    model = state.qdq.clone()
    floats = {str(node.name): node for node in state.model.graph}
    for node in list(model.graph):
        if str(node.name) not in state.numbers.weights:
            continue
        for index, value in enumerate(node.inputs[1:], start=1):
            own = floats[str(node.name)].inputs
            array = constant(own[index]) if index < len(own) else None
            if value is not None and array is not None:
                node.replace_input_with(index, None)
                set_constant(model.graph, node, index, array, f"{node.name}.float{index}")
            elif value is not None:
                node.replace_input_with(index, None)
    return model


def ties(expected: Float32, actual: Float32) -> Ties:
    """How many images are near a tie of float's two best classes."""
    rows = np.arange(len(expected))
    second, first = np.argsort(expected, axis=1)[:, -2:].T
    margin = expected[rows, first] - expected[rows, second]
    moved = actual[rows, first] - actual[rows, second] - margin
    is_near = margin < 2 * moved.std()
    has_changed = expected.argmax(1) != actual.argmax(1)
    return Ties(float(is_near.mean()), float(is_near[has_changed].mean()))


if __name__ == "__main__":
    main()
