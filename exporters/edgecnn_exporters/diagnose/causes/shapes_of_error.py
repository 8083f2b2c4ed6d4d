"""Known conversion errors of weights and biases (transposed, missing, …), each applied to the
original's numbers until one gives the candidate's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgecnn_exporters.diagnose.causes.case import Cause
from edgecnn_exporters.diagnose.causes.channels import (
    MATCH,
    ChannelOrder,
    find_order,
    find_single,
    misfit,
)
from edgecnn_runtime.arrays import Array

COPY = "copy it from the original as it is"


@dataclass(frozen=True)
class ErrorShape:
    """Form of a numeric error.

    Attributes:
        words: it, in words that follow "the weight" or "the bias".
        undo: the candidate's numbers without this one error; None where they have to be replaced.
    """

    words: str
    cause: Cause = Cause.KERNEL
    fix: str = COPY
    undo: Callable[[Array], Array] | None = None


# Words, the cause, what gives the candidate's numbers, and what turns these into the original's.
_Guess = tuple[str, Cause, Callable[[], Array], Callable[[Array], Array] | None]


def of_weight(
    own: Array, other: Array, joined: tuple[int, ...] | None = None, groups: int = 1
) -> ErrorShape:
    """Classify the error of a weight.

    Args:
        groups: of the convolution.
        joined: (C, H, W) of what a Flatten joins before a fully connected layer.
    """
    plain = misfit(own, other) if own.shape == other.shape else np.inf
    for words, cause, guess, undo in _weight_guesses(own, joined, groups):
        guessed = guess()
        # A kernel of one pixel is its own transpose: a guess must explain something.
        if guessed.shape == other.shape and misfit(guessed, other) < min(MATCH, plain / 2):
            return ErrorShape(words, cause, undo=undo)
    if own.shape != other.shape:
        return ErrorShape(f"is of shape {other.shape}, the original's of {own.shape}", Cause.LAYOUT)
    for axis in range(min(own.ndim, 2)):
        order = find_order(own, other, axis, groups)
        if order is not None:
            return ErrorShape(order.words, Cause.LAYOUT, undo=order.undo)
    return _scaled(own, other) or _single(own, other) or ErrorShape(worst(own, other))


def of_bias(own: Array, other: Array, scale: Array | None = None) -> ErrorShape:
    """Classify the error of a bias.

    Args:
        scale: (channels,) or (), of a bias in integers: a shift moved these, not the reals.
    """
    steps = np.float32(1) if scale is None else np.where(scale > 0, scale, np.float32(1))
    if own.shape != other.shape:
        return ErrorShape(f"is of shape {other.shape}, the original's of {own.shape}", Cause.LAYOUT)
    if not other.any():
        return ErrorShape("is missing")
    for by in (1, -1, 2, -2):
        if misfit(np.roll(own / steps, by) * steps, other) < MATCH < misfit(own, other):
            channels = "one channel" if abs(by) == 1 else f"{abs(by)} channels"
            undo = partial(_roll_steps, by=-by, steps=steps)
            return ErrorShape(f"lies {channels} off", undo=undo)
    if misfit(np.append(own[:-1], own.dtype.type(0)), other) < MATCH / 10:
        return ErrorShape("lacks its last channel")
    if misfit(-own, other) < MATCH:
        return ErrorShape("has the other sign", undo=np.negative)
    order = find_order(own[:, None] / _column(steps), other[:, None] / _column(steps), 0)
    if order is not None:
        undo = partial(_reorder_steps, order=order, steps=steps)
        return ErrorShape(order.words, Cause.LAYOUT, undo=undo)
    return _scaled(own, other) or _single(own, other) or ErrorShape(worst(own, other))


def _roll_steps(bias: Array, by: int, steps: Array | np.float32) -> Array:
    rolled: Array = np.roll(bias / steps, by) * steps
    return rolled


def _reorder_steps(bias: Array, order: ChannelOrder, steps: Array | np.float32) -> Array:
    reordered: Array = order.undo(bias / steps) * steps
    return reordered


def _column(steps: Array | np.float32) -> Array:
    return np.reshape(steps, (-1, 1))


def of_both(
    own: tuple[Array, Array | None], other: tuple[Array | None, Array | None], axis: int
) -> ErrorShape:
    """Classify the common error of a weight and its bias.

    Folding batch normalisation multiplies each channel by γ/√(σ² + ε) and shifts its bias: another
    ε changes all factors in the same direction, those of small variance most.
    """
    weight, others = own[0], other[0]
    if others is not None and weight.shape == others.shape:
        order = find_order(weight, others, axis)
        if order is not None and own[1] is not None and other[1] is not None:
            moved = np.take(own[1], order.order)
            if moved.shape == other[1].shape and misfit(moved, other[1]) < MATCH:
                return ErrorShape(
                    f"weight and bias: {order.words}".replace("has its", "the"), Cause.LAYOUT
                )
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
        if factors is not None and np.ptp(factors) > MATCH * float(np.abs(factors).max()):
            words = (
                f"the weight is the original's times {factors.min():.4g} … {factors.max():.4g}, "
                "channel by channel, and the bias another: batch normalisation was folded with "
                "other parameters than its own, as with gamma and beta swapped"
            )
            return ErrorShape(
                words, Cause.KERNEL, "fold batch normalisation with the network's parameters"
            )
        if factors is not None and np.ptp(factors) < 1e-3 * abs(float(factors.mean())):
            words = f"weight and bias are {factors.mean():.4g} times the original's"
            return ErrorShape(words, Cause.KERNEL, COPY)
    return ErrorShape("weight and bias are not the original's")


def _weight_guesses(own: Array, joined: tuple[int, ...] | None, groups: int) -> Iterator[_Guess]:
    kernel, layout = Cause.KERNEL, Cause.LAYOUT
    yield "is missing: all zeros", kernel, lambda: np.zeros_like(own), None
    yield "lacks its last output channel", kernel, lambda: _without_last(own, 0), None
    yield "lacks its last input channel", kernel, lambda: _without_last(own, 1), None
    if own.ndim >= 2:
        yield "has its channels transposed", layout, lambda: np.swapaxes(own, 0, 1), _transpose
    if own.ndim == 4:
        words, turned = "has its kernel rotated by 180°", partial(np.flip, axis=(2, 3))
        yield words, layout, lambda: turned(own), turned
        swapped = partial(np.swapaxes, axis1=2, axis2=3)
        yield "has height and width transposed", layout, lambda: swapped(own), swapped
    if joined is not None and own.ndim == 2 and own.shape[1] == np.prod(joined):
        words = "has its columns in the other layout's order: NCHW and NHWC differ at the Flatten"
        there, back = partial(_permuted, joined=joined), partial(_permuted_back, joined=joined)
        yield words, layout, lambda: there(own), back
        yield words, layout, lambda: back(own), there
    yield "has the other sign", kernel, lambda: -own, np.negative


def _transpose(array: Array) -> Array:
    return np.swapaxes(array, 0, 1)


def _single(own: Array, other: Array) -> ErrorShape | None:
    """The error of a few channels."""
    for axis in range(min(own.ndim, 2)):
        single = find_single(own, other, axis)
        if single is not None:
            return ErrorShape(single.words, undo=partial(single.undo, own=own))
    return None


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
    return cleared if misfit(cleared, own) > 1e-3 else np.full_like(own, np.nan)


def _scaled(own: Array, other: Array) -> ErrorShape | None:
    power = float(np.square(own, dtype=np.float64).sum())
    factor = float((own.astype(np.float64) * other).sum()) / power if power else 1.0
    if abs(factor - 1) > 0.02 and misfit(own * factor, other) < MATCH:
        words = f"is {factor:.3g} times the original's: its scale is wrong by that factor"
        return ErrorShape(words, undo=lambda array: array / factor)
    return None


def _factors(own: Array, other: Array, axis: int) -> Array | None:
    """Factor of each output channel, (C,); None where factors do not explain the error."""
    rows = np.moveaxis(own, axis, 0).reshape(own.shape[axis], -1).astype(np.float64)
    others = np.moveaxis(other, axis, 0).reshape(rows.shape).astype(np.float64)
    power = np.square(rows).sum(axis=1)
    alive = power > 1e-12
    factors = np.divide((rows * others).sum(axis=1), power, out=np.ones(len(rows)), where=alive)
    return factors[alive] if misfit(rows * factors[:, None], others) < MATCH / 5 else None


def _one_sided(factors: Array) -> bool:
    """Whether an epsilon may have caused the factors: all above 0, and on one side of 1."""
    is_above, is_below = (factors >= 1 - 1e-6).all(), (factors <= 1 + 1e-6).all()
    return bool((factors > 0).all() and (is_above or is_below))


def worst(own: Array, other: Array) -> str:
    rows = np.abs(own - other).reshape(len(own), -1).max(axis=1)
    return f"is not the original's: it is off by up to {rows.max():.3g}, in channel {rows.argmax()}"
