"""Order of a weight's channels, and errors of single channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Array

# Relative error that rounding to 8 bits leaves; a wrong guess leaves far more.
MATCH = 0.05
# Largest share of the channels that may be called single ones.
FEW = 0.25
# Length of the projections of rows; and of weights so large float32 is enough.
PROJECTED, LARGE = 128, 1 << 22


@dataclass(frozen=True)
class ChannelOrder:
    """Channels of a weight in another order.

    Attributes:
        axis: of the channels.
        order: the original's channel in each place.
        groups: of the convolution whose output channels these are.
    """

    axis: int
    order: tuple[int, ...]
    groups: int = 1

    @property
    def words(self) -> str:
        """The order, in words that follow "the weight"."""
        kind = "output" if self.axis == 0 else "input"
        size = len(self.order) // self.groups
        if self.axis == 0 and self.groups > 1 and size > 1:
            blocks = np.array(self.order).reshape(self.groups, size)
            if (blocks == blocks[:, :1] // size * size + np.arange(size)).all():
                return f"has its groups {order_in_words(tuple(blocks[:, 0] // size))}"
        return f"has its {kind} channels {order_in_words(self.order)}"

    def undo(self, array: Array) -> Array:
        """An array with these channels in the original's order."""
        return np.take(array, np.argsort(self.order), axis=self.axis)


def find_order(own: Array, other: Array, axis: int, groups: int = 1) -> ChannelOrder | None:
    """The order of the original's channels that gives the candidate's weight; None for none."""
    rows, others = _rows(own, axis), _rows(other, axis)
    if rows.shape != others.shape or len(rows) < 2:
        return None
    distance = _distances(others, rows)
    order = distance.argmin(axis=1)
    # Of channels that are alike, as those of zeros, each stays where it is.
    alike = np.diagonal(distance) <= distance.min(axis=1) + 1e-6 * np.square(rows).mean()
    order = np.where(alike, np.arange(len(rows)), order)
    is_order = len(set(order.tolist())) == len(rows) and not alike.all()
    if not is_order or misfit(rows[order], others) >= min(MATCH, misfit(rows, others) / 2):
        return None
    return ChannelOrder(axis, tuple(order.tolist()), groups)


@dataclass(frozen=True)
class SingleChannels:
    """A few channels of a weight or bias that are wrong, all others being right.

    Attributes:
        axis: of the channels.
        channels: their indices.
        factor: that the original's channels are multiplied by; None for other numbers.
    """

    axis: int
    channels: tuple[int, ...]
    factor: float | None

    @property
    def words(self) -> str:
        """The error, in words that follow "the weight"."""
        kind = "output" if self.axis == 0 else "input"
        number = ", ".join(map(str, self.channels[:8]))
        where = f"in {kind} channel{'s' if len(self.channels) > 1 else ''} {number}"
        if self.factor is None:
            return f"is not the original's {where}"
        return f"is zero {where}" if not self.factor else (
            f"is {self.factor:.3g} times the original's {where}"
        )  # fmt: skip

    def undo(self, other: Array, own: Array) -> Array:
        """`other`, with these channels of `own`."""
        mended = np.moveaxis(other.copy(), self.axis, 0)
        mended[list(self.channels)] = np.moveaxis(own, self.axis, 0)[list(self.channels)]
        return np.moveaxis(mended, 0, self.axis)


def find_single(own: Array, other: Array, axis: int) -> SingleChannels | None:
    """The few channels that are wrong; None where many are, or none is."""
    rows, others = _rows(own, axis), _rows(other, axis)
    if rows.shape != others.shape:
        return None
    size = np.maximum(np.sqrt(np.square(rows).sum(1)), 0.01 * np.sqrt(np.square(rows).mean()))
    is_wrong = np.sqrt(np.square(rows - others).sum(1)) > MATCH * np.maximum(size, 1e-30)
    wrong = np.flatnonzero(is_wrong)
    if not 0 < len(wrong) <= max(1, FEW * len(rows)):
        return None
    power = float(np.square(rows[wrong]).sum())
    factor = float((rows[wrong] * others[wrong]).sum()) / power if power else 1.0
    is_scaled = power > 0 and misfit(rows[wrong] * factor, others[wrong]) < MATCH
    if not others[wrong].any():
        factor, is_scaled = 0.0, True
    return SingleChannels(axis, tuple(wrong.tolist()), factor if is_scaled else None)


def scale_order(needed: Array, scales: Array) -> tuple[int, ...] | None:
    """Where each channel's needed scale lies among the stored ones; None for no such order."""
    if needed.shape != scales.shape or np.allclose(needed, scales, rtol=MATCH / 2):
        return None
    for by in (1, -1):
        if np.allclose(needed, np.roll(scales, by), rtol=MATCH / 2):
            return tuple(np.roll(np.arange(len(needed)), by).tolist())
    order = np.empty(len(needed), int)
    order[np.argsort(needed, kind="stable")] = np.argsort(scales, kind="stable")
    return tuple(order.tolist()) if np.allclose(needed, scales[order], rtol=MATCH / 2) else None


def order_in_words(order: Sequence[int]) -> str:
    """An order in words: moved by one or several places, reversed, or the first places."""
    count = len(order)
    by = (order[1] - order[0]) % count
    moved = -order[0] % count
    if all((order[i] + moved) % count == i for i in range(count)):
        places = min(moved, count - moved)
        return "one off" if places == 1 else f"{places} off"
    if by == count - 1 and list(order) == list(range(count))[::-1]:
        return "in reverse order"
    shown = ",".join(map(str, order[:8])) + (",…" if count > 8 else "")
    return f"in another order: {shown}"


def misfit(guessed: Array, other: Array) -> float:
    """Relative error of a guess; 0 where both are zero."""
    size = float(np.sqrt(np.square(other, dtype=np.float64).sum()))
    error = float(np.sqrt(np.square(guessed.astype(np.float64) - other).sum()))
    return error / size if size else (0.0 if error == 0 else np.inf)


def _distances(others: Array, rows: Array) -> Array:
    """Squared distance of each row from each; of long rows, of their random projections."""
    if rows.shape[1] > 2 * PROJECTED:
        basis = np.random.default_rng(0).standard_normal((rows.shape[1], PROJECTED))
        basis = basis.astype(rows.dtype)
        rows, others = rows @ basis, others @ basis
    distance: Array = (
        np.square(others).sum(1)[:, None] + np.square(rows).sum(1)[None] - 2 * others @ rows.T
    )
    return distance


def _rows(array: Array, axis: int) -> Array:
    moved = np.moveaxis(array, axis, 0)
    kind = np.float64 if array.size < LARGE else np.float32
    return moved.reshape(len(moved), -1).astype(kind)
