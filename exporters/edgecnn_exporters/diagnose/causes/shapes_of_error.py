"""Known conversion errors of weights and biases (transposed, missing, …), each applied to the
original's numbers until one gives the candidate's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgecnn_exporters.diagnose.causes.case import Cause
from edgecnn_runtime.arrays import Array

# Relative error that rounding to 8 bits leaves; a wrong guess leaves far more.
MATCH = 0.05
COPY = "copy it from the original as it is"


@dataclass(frozen=True)
class ErrorShape:
    """Form of a numeric error, in words that follow "the weight" or "the bias"."""

    words: str
    cause: Cause = Cause.KERNEL
    fix: str = COPY


_Guess = tuple[str, Cause, Callable[[], Array]]


def of_weight(own: Array, other: Array, joined: tuple[int, ...] | None = None) -> ErrorShape:
    """Classify the error of a weight.

    Args:
        joined: (C, H, W) of what a Flatten joins before a fully connected layer.
    """
    plain = _misfit(own, other) if own.shape == other.shape else np.inf
    for words, cause, guess in _weight_guesses(own, joined):
        guessed = guess()
        # A kernel of one pixel is its own transpose: a guess must explain something.
        if guessed.shape == other.shape and _misfit(guessed, other) < min(MATCH, plain / 2):
            return ErrorShape(words, cause)
    if own.shape != other.shape:
        return ErrorShape(f"is of shape {other.shape}, the original's of {own.shape}", Cause.LAYOUT)
    return _scaled(own, other) or ErrorShape(_worst(own, other))


def of_bias(own: Array, other: Array, scale: Array | None = None) -> ErrorShape:
    """Classify the error of a bias.

    Args:
        scale: (channels,) or (), of a bias in integers: a shift moved these, not the reals.
    """
    steps = np.float32(1) if scale is None else scale
    if own.shape != other.shape:
        return ErrorShape(f"is of shape {other.shape}, the original's of {own.shape}", Cause.LAYOUT)
    if not other.any():
        return ErrorShape("is missing")
    for by in (1, -1, 2, -2):
        if _misfit(np.roll(own / steps, by) * steps, other) < MATCH < _misfit(own, other):
            channels = "one channel" if abs(by) == 1 else f"{abs(by)} channels"
            return ErrorShape(f"lies {channels} off")
    if _misfit(np.append(own[:-1], own.dtype.type(0)), other) < MATCH / 10:
        return ErrorShape("lacks its last channel")
    if _misfit(-own, other) < MATCH:
        return ErrorShape("has the other sign")
    return _scaled(own, other) or ErrorShape(_worst(own, other))


def of_both(
    own: tuple[Array, Array | None], other: tuple[Array | None, Array | None], axis: int
) -> ErrorShape:
    """Classify the common error of a weight and its bias.

    Folding batch normalisation multiplies each channel by γ/√(σ² + ε) and shifts its bias: another
    ε changes all factors in the same direction, those of small variance most.
    """
    weight, others = own[0], other[0]
    if others is not None and weight.shape == others.shape:
        factors = _factors(weight, others, axis)
        if factors is not None and np.ptp(factors) > 1e-4 and _one_sided(factors):
            small, large = float(factors.min()), float(factors.max())
            side = "larger" if large <= 1.0 + 1e-6 else "smaller"
            words = (
                f"weight and bias are the original's times {small:.4g} … {large:.4g}, channel by "
                f"channel: batch normalisation was folded with a {side} epsilon or other variances"
            )
            return ErrorShape(
                words, Cause.KERNEL, "fold batch normalisation with the network's epsilon"
            )
        if factors is not None and np.ptp(factors) < 1e-3 * abs(float(factors.mean())):
            words = f"weight and bias are {factors.mean():.4g} times the original's"
            return ErrorShape(words, Cause.KERNEL, COPY)
    return ErrorShape("weight and bias are not the original's")


def _weight_guesses(own: Array, joined: tuple[int, ...] | None) -> Iterator[_Guess]:
    yield "is missing: all zeros", Cause.KERNEL, lambda: np.zeros_like(own)
    yield "lacks its last output channel", Cause.KERNEL, lambda: _without_last(own, 0)
    yield "lacks its last input channel", Cause.KERNEL, lambda: _without_last(own, 1)
    if own.ndim >= 2:
        yield "has its channels transposed", Cause.LAYOUT, lambda: np.swapaxes(own, 0, 1)
        yield "has its input channels in reverse order", Cause.LAYOUT, lambda: own[:, ::-1]
        yield "has its output channels in reverse order", Cause.LAYOUT, lambda: own[::-1]
        for by in (1, -1):
            yield "has its output channels one off", Cause.LAYOUT, partial(np.roll, own, by, 0)
            yield "has its input channels one off", Cause.LAYOUT, partial(np.roll, own, by, 1)
    if own.ndim == 4:
        yield "has height and width transposed", Cause.LAYOUT, lambda: np.swapaxes(own, 2, 3)
        yield "has its kernel rotated by 180°", Cause.LAYOUT, lambda: own[:, :, ::-1, ::-1]
    if joined is not None and own.ndim == 2 and own.shape[1] == np.prod(joined):
        words = "has its columns in the other layout's order: NCHW and NHWC differ at the Flatten"
        yield words, Cause.LAYOUT, lambda: _permuted(own, joined)
        yield words, Cause.LAYOUT, lambda: _permuted_back(own, joined)
    yield "has the other sign", Cause.KERNEL, lambda: -own


def _permuted(own: Array, joined: tuple[int, ...]) -> Array:
    rows = own.reshape(len(own), *joined)
    return rows.transpose(0, 2, 3, 1).reshape(own.shape)


def _permuted_back(own: Array, joined: tuple[int, ...]) -> Array:
    channels, height, width = joined
    rows = own.reshape(len(own), height, width, channels)
    return rows.transpose(0, 3, 1, 2).reshape(own.shape)


def _without_last(own: Array, axis: int) -> Array:
    cleared = own.copy()
    cleared[(slice(None),) * axis + (-1,)] = 0
    # A last channel that was almost zero anyway proves nothing.
    return cleared if _misfit(cleared, own) > 1e-3 else np.full_like(own, np.nan)


def _scaled(own: Array, other: Array) -> ErrorShape | None:
    power = float(np.square(own, dtype=np.float64).sum())
    factor = float((own.astype(np.float64) * other).sum()) / power if power else 1.0
    if abs(factor - 1) > 0.02 and _misfit(own * factor, other) < MATCH:
        return ErrorShape(
            f"is {factor:.3g} times the original's: its scale is wrong by that factor"
        )
    return None


def _factors(own: Array, other: Array, axis: int) -> Array | None:
    """Factor of each output channel, (C,); None where factors do not explain the error."""
    rows = np.moveaxis(own, axis, 0).reshape(own.shape[axis], -1).astype(np.float64)
    others = np.moveaxis(other, axis, 0).reshape(rows.shape).astype(np.float64)
    power = np.square(rows).sum(axis=1)
    alive = power > 1e-12
    factors = np.divide((rows * others).sum(axis=1), power, out=np.ones(len(rows)), where=alive)
    return factors[alive] if _misfit(rows * factors[:, None], others) < MATCH / 5 else None


def _one_sided(factors: Array) -> bool:
    return bool((factors <= 1 + 1e-6).all() or (factors >= 1 - 1e-6).all())


def _worst(own: Array, other: Array) -> str:
    rows = np.abs(own - other).reshape(len(own), -1).max(axis=1)
    return f"is not the original's: it is off by up to {rows.max():.3g}, in channel {rows.argmax()}"


def _misfit(guessed: Array, other: Array) -> float:
    size = float(np.sqrt(np.square(other, dtype=np.float64).sum()))
    error = float(np.sqrt(np.square(guessed.astype(np.float64) - other).sum()))
    return error / size if size else (0.0 if error == 0 else np.inf)
