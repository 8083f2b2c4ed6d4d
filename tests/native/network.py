"""Small networks: each operation is written to a plan and computed by its formula in numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from native import formulas
from native.formulas import Bytes, Ending, F, Window
from native.plan_bytes import ARENA, ARENA_RING, INPUT, OUTPUT, RING, Plan, aligned

PLAIN, NO_END = Window(), Ending()
Weights = tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True)
class Image:
    """A tensor of the plan, and its values (batch, channels, height, width)."""

    number: int
    values: NDArray[np.generic]
    pads: tuple[int, int] = (0, 0)
    block: int = 0

    @property
    def channels(self) -> int:
        return int(self.values.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        return int(self.values.shape[2]), int(self.values.shape[3])


@dataclass(frozen=True)
class Place:
    """Where a result goes.

    Attributes:
        ring: its rows; 0: the image is stored whole.
        block: 64 in a channel loop, else 0.
        pads: pixels to the left and right of each row, of `pad_value`.
        is_float: to the caller.
        in_arena: the ring lies there.
    """

    ring: int = 0
    block: int = 0
    pads: tuple[int, int] = (0, 0)
    pad_value: int = 0
    pitch: int | None = None
    zero_point: int = 0
    is_float: bool = False
    in_arena: bool = False


STORED = Place()


@dataclass
class Network:
    """A plan under construction, with the images that it is fed."""

    rng: np.random.Generator
    batch: int = 2
    plan: Plan = field(default_factory=Plan)
    inputs: list[NDArray[np.generic]] = field(default_factory=list)
    outputs: list[NDArray[np.generic]] = field(default_factory=list)
    grouped: int = 0
    rounding: float = 0.0

    def group(self, strip: int, loop: tuple[int, int] = (0, 0), *, in_order: bool = False) -> None:
        """Group what has been added since the last group."""
        count = len(self.plan.operations) - self.grouped
        self.plan.group(self.grouped, count, strip, loop, in_order=in_order)
        self.grouped += count

    def image(
        self, shape: tuple[int, int, int], place: Place = STORED, *, is_float: bool = False
    ) -> Image:
        """A new input, converted by QUANTISE in a group of its own."""
        scale, zero_point = 1.0, 0
        x: NDArray[np.generic] = self.rng.integers(0, 256, (self.batch, *shape)).astype(np.uint8)
        if is_float:
            scale, zero_point = 0.031, place.zero_point
            x = self.rng.normal(0, 3, x.shape).astype(F)
            q = formulas.rounded(x.astype(F) / F(scale), zero_point)
        else:
            q = x.astype(np.int64)
        self.inputs.append(x)
        source = self.plan.tensor(INPUT, shape, is_float=is_float)
        result = self.result(NO_END.of(q), place)
        channels = shape[0]
        self.plan.operation(
            "quantise", (source,), result.number, channels,
            factors=(scale, 0, 0), zero_points=(zero_point, 0, 0),
        )  # fmt: skip
        self.group(shape[1])
        return result

    def output(
        self, x: Image, scale: float = 1.0, zero_point: int = 0, *, is_float: bool = True
    ) -> None:
        """DEQUANTISE to the caller, in a group of its own."""
        shape = (x.channels, *x.size)
        number = self.plan.tensor(OUTPUT, shape, is_float=is_float)
        self.plan.operation(
            "dequantise", (x.number,), number, x.channels,
            factors=(scale, 0, 0), zero_points=(0, zero_point, 0),
        )  # fmt: skip
        self.group(x.size[0])
        values = x.values
        self.outputs.append(
            (values.astype(np.int64) - zero_point).astype(F) * F(scale) if is_float else values
        )

    def weights(self, outputs: int, depth: int, window: Window) -> Weights:
        """Random ones, whose results spread over a byte."""
        shape = (outputs, depth, *window.kernel)
        weights = self.rng.integers(-128, 128, shape).astype(np.int8)
        bias = self.rng.integers(-20000, 20000, outputs).astype(np.int32)
        spread = 40 / (255 * 74 * math.sqrt(depth * math.prod(window.kernel)))
        multiplier = (self.rng.uniform(0.5, 1.5, outputs) * spread).astype(F)
        return weights, bias, multiplier

    def product(
        self,
        code: str,
        x: Image,
        outputs: int,
        window: Window = PLAIN,
        *,
        size: tuple[int, int] | None = None,
        groups: int = 1,
        outside: int = 0,
        place: Place = STORED,
        end: Ending = NO_END,
        weights: Weights | None = None,
    ) -> Image:
        """CONVOLUTION, DEPTHWISE or GROUPED; to the caller as float where `place.is_float`."""
        size = size or x.size
        depth = {"depthwise": 1, "grouped": x.channels // groups}.get(code, x.channels)
        w, bias, multiplier = weights or self.weights(outputs, depth, window)
        read = formulas.windows(x.values, window, size, outside)
        scaled = formulas.scaled(formulas.sums(read, w, bias), multiplier)
        if place.is_float:
            number = self.plan.tensor(OUTPUT, (outputs, *size), is_float=True)
            result = Image(number, scaled)
            self.outputs.append(scaled)
        else:
            result = self.result(end.of(formulas.rounded(scaled, place.zero_point)), place)
        self.plan.operation(
            code, (x.number,), result.number, x.channels, outputs, **self.window(x, window, size),
            **self.end(end), groups=groups, zero_points=(place.zero_point, outside, 0),
            weights=packed(code, w), bias=by_16(bias), multiplier=by_16(multiplier),
        )  # fmt: skip
        return result

    def add(
        self,
        x0: Image,
        x1: Image,
        place: Place = STORED,
        end: Ending = NO_END,
        *,
        factors: tuple[float, float, float] | None = None,
    ) -> Image:
        """ADD."""
        a, b = self.rng.uniform(0.1, 1, 2)
        factors = factors or (float(a), float(b), float(self.rng.uniform(-99, 99)))
        result = self.result(end.of(formulas.add(x0.values, x1.values, factors)), place)
        self.plan.operation(
            "add",
            (x0.number, x1.number),
            result.number,
            x0.channels,
            **self.end(end),
            factors=factors,
        )
        return result

    def multiply(self, x0: Image, x1: Image, place: Place = STORED, end: Ending = NO_END) -> Image:
        """MULTIPLY, also by one factor a channel."""
        z0, z1 = (int(z) for z in self.rng.integers(0, 256, 2))
        factors = (float(self.rng.uniform(0.001, 0.02)), 0.0, float(self.rng.integers(0, 256)))
        q = formulas.multiply(x0.values, x1.values, z0, z1, factors)
        result = self.result(end.of(q), place)
        self.plan.operation(
            "multiply", (x0.number, x1.number), result.number, x0.channels, **self.end(end),
            factors=factors, zero_points=(0, z0, z1),
        )  # fmt: skip
        return result

    def table(self, x: Image, place: Place = STORED, end: Ending = NO_END) -> Image:
        """TABLE."""
        result = self.result(end.of(x.values), place)
        self.plan.operation("table", (x.number,), result.number, x.channels, **self.end(end))
        return result

    def pool(
        self,
        code: str,
        x: Image,
        window: Window,
        size: tuple[int, int],
        *,
        outside: int = 0,
        all_taps: bool = True,
        place: Place = STORED,
        end: Ending = NO_END,
    ) -> Image:
        """MAX_POOL or AVERAGE_POOL."""
        read = formulas.windows(x.values, window, size, outside)
        a, b = (float(scale) for scale in self.rng.uniform(0.01, 0.1, 2).astype(F))
        b = a if self.rng.random() < 0.5 else b  # halves are then frequent
        if code == "max_pool":
            q = read.max(axis=(3, 5))
        else:
            means = formulas.average(read, window, x.size, outside, a, all_taps=all_taps)
            q = formulas.rounded(means / F(b) + F(place.zero_point))
        result = self.result(end.of(q), place)
        self.plan.operation(
            code, (x.number,), result.number, x.channels, **self.window(x, window, size),
            **self.end(end), factors=(a, b, 0), flags=0 if all_taps else 1,
            zero_points=(place.zero_point, outside, 0),
        )  # fmt: skip
        return result

    def global_pool(
        self, x: Image, place: Place = STORED, end: Ending = NO_END, *, by_rows: bool = False
    ) -> Image:
        """GLOBAL_POOL."""
        sums_at = {"pad_row": self.plan.scratch(4 * aligned(x.channels, 16))} if by_rows else {}
        z0, a = (
            int(self.rng.integers(0, 256)),
            float(F(self.rng.uniform(0.3, 2) / math.prod(x.size))),
        )
        sums = (x.values.astype(np.int64) - z0).sum(axis=(2, 3), keepdims=True)
        result = self.result(
            end.of(formulas.rounded(sums.astype(F) * F(a), place.zero_point)), place
        )
        self.plan.operation(
            "global_pool", (x.number,), result.number, x.channels, **self.end(end),
            factors=(a, 0, 0), zero_points=(place.zero_point, z0, 0), **sums_at,
        )  # fmt: skip
        return result

    def concatenate(self, parts: Sequence[tuple[Image, int, int]], place: Place = STORED) -> Image:
        """COPY of channels first … first + count - 1 of each image, one part behind another."""
        values = np.concatenate([x.values[:, first : first + n] for x, first, n in parts], axis=1)
        result = self.result(values.astype(np.uint8), place)
        at = 0
        for x, first, count in parts:
            self.plan.operation("copy", (x.number,), result.number, count, at=(first, at))
            at += count
        return result

    def shuffle(self, x: Image, order: NDArray[np.uint32], place: Place = STORED) -> Image:
        """CHANNELS: channel c is channel order[c] of x."""
        result = self.result(x.values[:, order].astype(np.uint8), place)
        self.plan.operation(
            "channels",
            (x.number,),
            result.number,
            x.channels,
            len(order),
            weights=order.astype(np.uint32),
        )
        return result

    def resize(self, x: Image, rows: NDArray[np.uint32], columns: NDArray[np.uint32]) -> Image:
        """RESIZE: pixel (i, j) is (rows[i], columns[j]) of x."""
        result = self.result(x.values[:, :, rows][..., columns].astype(np.uint8), STORED)
        both = np.concatenate([rows, columns]).astype(np.uint32)
        self.plan.operation("resize", (x.number,), result.number, x.channels, weights=both)
        return result

    def pad(self, x: Image, at: tuple[int, int], size: tuple[int, int], value: int) -> Image:
        """PAD: x at a place of a larger image of `value`."""
        values = np.full((*x.values.shape[:2], *size), value, np.uint8)
        values[:, :, at[0] : at[0] + x.size[0], at[1] : at[1] + x.size[1]] = x.values
        result = self.result(values, STORED)
        self.plan.operation(
            "pad", (x.number,), result.number, x.channels, pads=at, clamp=(value, 255)
        )
        return result

    def result(self, values: Bytes, place: Place) -> Image:
        """A new tensor for these values."""
        storage = (ARENA_RING if place.in_arena else RING) if place.ring else ARENA
        number = self.plan.tensor(
            storage, values.shape[1:], pitch=place.pitch,
            block=place.block or None, rows=place.ring or None, pads=place.pads,
            pad_value=place.pad_value,
        )  # fmt: skip
        pitch = place.pitch or aligned(values.shape[1], 16)
        return Image(number, values, place.pads, place.block or pitch)

    def window(self, x: Image, window: Window, size: tuple[int, int]) -> dict[str, object]:
        """Fields of an operation's window, with a row of pads where it leaves the image."""
        rows = window.taps(0, size[0])
        leaves = rows.min() < 0 or rows.max() >= x.size[0]
        row = {"pad_row": self.plan.scratch((sum(x.pads) + x.size[1]) * x.block)} if leaves else {}
        shape = {name: getattr(window, name) for name in ("kernel", "stride", "dilation", "pads")}
        return {**shape, **row}

    def end(self, end: Ending) -> dict[str, object]:
        """Fields of an operation's clamp and table."""
        return {"clamp": (end.low, end.high), "table": end.table}


def by_16(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """With zeros up to a multiple of 16 channels."""
    return np.pad(values, (0, -len(values) % 16))


def packed(code: str, weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights (outputs, channels of a group, kernel_h, kernel_w) in the order of plan.h."""
    outputs, depth, height, width = weights.shape
    if code == "depthwise":
        wide = np.pad(weights.reshape(outputs, -1), ((0, -outputs % 16), (0, 0)))
        return np.ascontiguousarray(wide.reshape(-1, 16, height * width).transpose(0, 2, 1))
    if code == "grouped":
        wide = np.pad(weights, ((0, 0), (0, -depth % 4), (0, 0), (0, 0)))
        return np.ascontiguousarray(wide.transpose(0, 2, 3, 1))
    wide = np.pad(weights, ((0, -outputs % 16), (0, -depth % 4), (0, 0), (0, 0)))
    blocks = wide.reshape(-1, 16, wide.shape[1] // 4, 4, height, width)
    return np.ascontiguousarray(blocks.transpose(0, 4, 5, 2, 1, 3))
