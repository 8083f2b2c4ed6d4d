"""Errors of a bundle's artefacts against PyTorch, on inputs that the export did not see.

Usage: python -m benchmarks.outside.judge BUNDLE NETWORK

Prints one JSON list. export.py runs it, so that an engine that crashes takes nothing with it.
"""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree

from benchmarks.outside.factories import build
from benchmarks.outside.inputs import COUNT, KINDS, own_inputs
from benchmarks.outside.networks import NETWORKS
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import adapt
from edgecnn_runtime.manifest import Artefact

ENGINE_OF = {"onnx": "onnxruntime", "openvino": "openvino", "tflite": "tflite"}
# Batches that the inputs are fed in: a batch that was fixed by tracing shows.
BATCHES = (1, COUNT - 1)


def main(path: str, name: str) -> None:
    network = NETWORKS[name]
    module = build(network)
    with Bundle(path) as bundle:
        rows = list(judge(bundle, module, {kind: own_inputs(kind, network.size) for kind in KINDS}))
    print(json.dumps(rows))


def judge(
    bundle: Bundle, module: nn.Module, inputs: dict[str, Float32]
) -> Iterator[dict[str, Any]]:
    """A row for each artefact: its error on each kind of inputs, or why it does not run."""
    expected = {kind: [_answers(module, part) for part in _parts(x)] for kind, x in inputs.items()}
    rounding = {kind: _rounding(module, x, expected[kind]) for kind, x in inputs.items()}
    for artefact in bundle.manifest.artefacts:
        row: dict[str, Any] = {"artefact": artefact.path, "format": artefact.format}
        listed = [db for groups in artefact.sqnr_db.values() for db in groups]
        row |= {"precision": artefact.precision, "own_sqnr_db": min(listed, default=None)}
        row["is_weak"] = artefact.is_weak
        try:
            for kind, x in inputs.items():
                answers = _run(bundle, artefact, _parts(x))
                row[kind] = compare(expected[kind], answers) | {"rounding": rounding[kind]}
        except Exception as error:  # whatever an engine raises is a result of this benchmark
            row["fails"] = f"{type(error).__name__}: {error}".splitlines()[0]
        yield row


def compare(expected: list[list[Array]], answers: list[list[Array]]) -> dict[str, Any]:
    """The worst output's error, measured about a mean over the inputs.

    ``relative``: max |answer - expected| / max |expected - mean|, the mean of each number.
    ``sqnr_db``: 10 log10 of the power of ``expected - mean`` over that of the error, the mean of
    each channel. ``spread``: max |expected - mean| over
    max |expected|, which is 0 where an output does not depend on the input.
    """
    outputs = [
        _compare_output(*pair) for pair in zip(_joined(expected), _joined(answers), strict=True)
    ]
    sqnr = [each["sqnr_db"] for each in outputs if each["sqnr_db"] is not None]
    return {
        "relative": max(each["relative"] for each in outputs),
        "sqnr_db": min(sqnr, default=None),
        "spread": min(each["spread"] for each in outputs),
        "outputs": len(outputs),
    }


def _compare_output(expected: Array, answer: Array) -> dict[str, Any]:
    if expected.shape != answer.shape:
        raise ValueError(f"an output has shape {answer.shape}, PyTorch's has {expected.shape}")
    centred = expected - expected.mean(0)
    error = answer.astype(np.float64) - expected
    widest, largest = float(np.abs(centred).max()), float(np.abs(error).max())
    power = float(np.square(error).sum())
    channels = (0, *range(2, expected.ndim))
    signal = float(np.square(expected - expected.mean(channels, keepdims=True)).sum())
    ratio = signal / power if power else math.inf
    return {
        "relative": 0.0 if not largest else largest / widest if widest else math.inf,
        "sqnr_db": round(10 * math.log10(ratio), 1) if 0 < ratio < math.inf else None,
        "spread": widest / (float(np.abs(expected).max()) or 1.0),
    }


def _joined(batches: list[list[Array]]) -> list[Array]:
    """Each output over all inputs, (COUNT, …), in float64."""
    return [np.concatenate(parts).astype(np.float64) for parts in zip(*batches, strict=True)]


def _parts(inputs: Float32) -> list[Float32]:
    return np.split(inputs, np.cumsum(BATCHES)[:-1])


def _answers(module: nn.Module, inputs: Float32) -> list[Array]:
    with torch.no_grad():
        return [leaf.numpy() for leaf in _pytree.tree_leaves(module(torch.from_numpy(inputs)))]


def _rounding(module: nn.Module, inputs: Float32, expected: list[list[Array]]) -> float | None:
    """PyTorch's own error in float32, against float64; None where it does not run in float64."""
    double = copy.deepcopy(module).double()
    try:
        with torch.no_grad():
            exact = [
                [leaf.numpy() for leaf in _pytree.tree_leaves(double(torch.from_numpy(part)))]
                for part in _parts(inputs.astype(np.float64))
            ]
    except RuntimeError:
        return None
    relative: float = compare(exact, expected)["relative"]
    return relative


def _run(bundle: Bundle, artefact: Artefact, parts: list[Float32]) -> list[list[Array]]:
    manifest = bundle.manifest
    content = bundle.read_artefact(artefact)
    engine = engine_class(ENGINE_OF[artefact.format])
    model = adapt(
        engine.open(content.model, weights=content.weights, threads=1), manifest, artefact
    )
    name = manifest.inputs[0].name
    answers = [model.run({name: part}) for part in parts]
    model.close()
    return [[answer[spec.name] for spec in manifest.outputs] for answer in answers]


if __name__ == "__main__":
    main(*sys.argv[1:])
