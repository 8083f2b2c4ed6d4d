"""From a classifier's output to labels and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Float = np.ndarray[Any, np.dtype[np.floating[Any]]]


@dataclass(frozen=True)
class Classification:
    """One candidate: class index, its label, and its score from 0 to 1."""

    index: int
    label: str
    score: float


def softmax(logits: Float) -> Float:
    """``exp(x) / sum(exp(x))`` over the last axis, shifted by the maximum so nothing overflows."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Float = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def top_k(scores: Float, labels: tuple[str, ...], k: int) -> list[Classification]:
    """The k best classes of `scores` (C,), best first; equal scores in class order."""
    order = np.argsort(-scores, kind="stable")[:k]
    return [Classification(int(i), labels[i], float(scores[i])) for i in order]
