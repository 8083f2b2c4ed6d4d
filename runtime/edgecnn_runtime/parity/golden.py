"""Comparison of an artefact's outputs with the golden outputs, and the tolerances."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.adapted import Model
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.proportion import wilson_interval


@dataclass(frozen=True)
class Difference:
    """Difference of the actual outputs from the reference, over all outputs of all examples.

    Attributes:
        max_abs: largest absolute difference.
        relative: `max_abs` over the largest magnitude of the reference.
        sqnr_db: signal to quantisation-noise ratio in dB; infinite when equal.
        top1_agreement: share of rows whose largest value is at the same index.
        top1_interval: Wilson's 95 % confidence interval of that share.
        n: number of rows compared.
        numbers: number of values compared in these rows.
    """

    max_abs: float
    relative: float
    sqnr_db: float
    top1_agreement: float
    top1_interval: tuple[float, float]
    n: int
    numbers: int


def difference(pairs: Iterable[tuple[Array, Array]]) -> Difference:
    """Compare (reference, actual) arrays of shape (batch, …), pair by pair.

    Raises:
        ValueError: no pair, or a pair differs in shape.
    """
    max_abs = largest = signal = noise = 0.0
    agreed = n = numbers = 0
    for reference, actual in pairs:
        if reference.shape != actual.shape:
            raise ValueError(f"found shape {actual.shape}, expected {reference.shape}")
        rows = reference.astype(np.float64).reshape(len(reference), -1)
        error = actual.astype(np.float64).reshape(len(reference), -1) - rows
        # NaN must never pass for a small error: np.max propagates it, and so must the sums.
        max_abs = float(np.maximum(max_abs, np.abs(error).max()))
        largest = max(largest, float(np.abs(rows).max()))
        signal += float(np.square(rows).sum())
        noise += float(np.square(error).sum())
        agreed += int(((rows + error).argmax(axis=1) == rows.argmax(axis=1)).sum())
        n += len(rows)
        numbers += rows.size
    if not n:
        raise ValueError("nothing to compare")
    return Difference(
        max_abs=max_abs,
        relative=max_abs / largest if largest else max_abs,
        sqnr_db=_decibels(signal, noise),
        top1_agreement=agreed / n,
        top1_interval=wilson_interval(agreed, n),
        n=n,
        numbers=numbers,
    )


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    ratio = signal / noise
    return -math.inf if ratio == 0 else 10 * math.log10(ratio)


@dataclass(frozen=True)
class Answer:
    """One output of one golden example: the reference and the engine's."""

    output: str
    reference: Array
    actual: Array


def golden_answers(bundle: Bundle, model: Model) -> Iterator[Answer]:
    """Outputs of `model` for the golden examples, one after the other."""
    for index in range(len(bundle.manifest.golden)):
        example = bundle.golden(index)
        outputs = model.run(example.inputs)
        for name, reference in example.outputs.items():
            yield Answer(name, reference, outputs[name])


def largest_steps(answers: Iterable[Answer], artefact: Artefact) -> float | None:
    """The largest error in integer steps (multiples of the scale) of the encoded outputs.

    None where no output has an encoding.
    """
    steps = [
        float(np.abs(answer.actual - answer.reference).max()) / artefact.encodings[answer.output][0]
        for answer in answers
        if answer.output in artefact.encodings
    ]
    return max(steps, default=None)
