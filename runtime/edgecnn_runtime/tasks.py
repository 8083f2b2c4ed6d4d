"""Postprocessing of a classifier's output: softmax and top-k."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Floating


@dataclass(frozen=True)
class Classification:
    """One candidate class of an image.

    Attributes:
        index: number of the class.
        label: its name.
        score: from 0 to 1.
    """

    index: int
    label: str
    score: float


def softmax(logits: Floating) -> Floating:
    """``exp(x) / sum(exp(x))`` over the last axis, shifted by the maximum so nothing overflows."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floating = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def top_k(scores: Floating, labels: tuple[str, ...], k: int) -> list[Classification]:
    """The k best classes of `scores` (C,), best first; equal scores in class order.

    Raises:
        ValueError: k is no whole number from 1 on.
    """
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"top is {k!r}, expected how many classes to give, 1 or more")
    order = np.argsort(-scores, kind="stable")[:k]
    return [Classification(int(i), labels[i], float(scores[i])) for i in order]
