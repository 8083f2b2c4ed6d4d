"""Cases for kernels: networks around one operation, and groups with strips, rings and loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from native.draw import Draw, strip
from native.formulas import Window
from native.moving_cases import MOVING
from native.network import NO_END, Image, Network, Place

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Case:
    """A plan, inputs, and the outputs that formulas give for them."""

    name: str
    plan: bytes
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    rounding: float = 0.0

    def check(self, output: int, found: Array, where: str) -> None:
        """An output is what the formula gives, to `rounding` of itself; 0: bit for bit."""
        expected = self.outputs[output]
        assert found.dtype == expected.dtype, where
        np.testing.assert_allclose(
            found, expected, rtol=self.rounding, atol=self.rounding / 100, err_msg=where
        )


def products(code: str, draw: Draw, network: Network) -> Image | None:
    """CONVOLUTION, DEPTHWISE or GROUPED over a stored image with pads; sometimes float."""
    channels, size = draw.channels(), draw.size()
    groups = 1
    outputs = channels if code == "depthwise" else draw.channels()
    if code == "grouped":
        groups = draw.between(2, 4)
        channels, outputs = groups * draw.between(1, 9), groups * draw.between(1, 9)
    window, out, right = draw.window(size, 7 if code == "depthwise" else 5)
    zero = draw.between(0, 255)
    pitch = 4 if channels <= 4 and code == "convolution" and draw.chance(0.5) else None
    x = network.image(
        (channels, *size),
        Place(pads=(window.pads[1], right), pad_value=zero, pitch=pitch, zero_point=zero),
        is_float=draw.chance(0.3),
    )
    is_float = draw.chance(0.25)
    y = network.product(
        code, x, outputs, window, size=out, groups=groups, outside=zero,
        place=Place(is_float=True) if is_float else draw.place(),
        end=NO_END if is_float else draw.end(),
    )  # fmt: skip
    network.group(strip(draw, out[0]))
    return None if is_float else y


def pools(code: str, draw: Draw, network: Network) -> Image:
    """MAX_POOL and AVERAGE_POOL, with and without pads among the pixels that count."""
    channels, size = draw.channels(), draw.size()
    window, out, right = draw.window(size)
    outside = 0 if code == "max_pool" else draw.between(0, 255)
    x = network.image((channels, *size), Place(pads=(window.pads[1], right), pad_value=outside))
    y = network.pool(
        code,
        x,
        window,
        out,
        outside=outside,
        all_taps=draw.chance(0.5),
        place=draw.place(),
        end=draw.end(),
    )
    network.group(strip(draw, out[0]))
    return y


def sums(code: str, draw: Draw, network: Network) -> Image:
    """ADD, and MULTIPLY by an image or by a factor a channel; the inputs have pads at times."""
    channels, size = draw.channels(), draw.size()
    pads = (draw.between(0, 2), draw.between(0, 2)) if draw.chance(0.3) else (0, 0)
    x = network.image((channels, *size), Place(pads=pads))
    gate = code == "multiply" and draw.chance(0.5)
    other = network.image((channels, 1, 1) if gate else (channels, *size))
    y = getattr(network, code)(x, other, end=draw.end())
    network.group(strip(draw, size[0]))
    return y


def tables(_: str, draw: Draw, network: Network) -> Image:
    """TABLE, into an image with pads that a MAX_POOL reads."""
    channels, size = draw.channels(), draw.size()
    x = network.image((channels, *size))
    y = network.table(x, Place(pads=(1, 1)), draw.end())
    network.group(strip(draw, size[0]))
    z = network.pool("max_pool", y, Window((1, 3), pads=(0, 1)), size)
    network.group(strip(draw, size[0]))
    return z


def global_pools(_: str, draw: Draw, network: Network) -> Image:
    """GLOBAL_POOL."""
    y = network.global_pool(
        network.image((draw.channels(), *draw.size())), draw.place(), draw.end()
    )
    network.group(1)
    return y


def joins(_: str, draw: Draw, network: Network) -> Image:
    """COPY of parts of two images behind one another."""
    size = draw.size()
    images = [network.image((draw.channels(), *size)) for _ in range(2)]
    firsts = [draw.between(0, x.channels - 1) for x in images]
    parts = [
        (x, first, draw.between(1, x.channels - first))
        for x, first in zip(images, firsts, strict=True)
    ]
    y = network.concatenate(parts)
    network.group(size[0])
    return y


def shuffles(_: str, draw: Draw, network: Network) -> Image:
    """CHANNELS, to as many as before or other numbers of them."""
    x = network.image((draw.channels(), *draw.size()))
    y = network.shuffle(x, draw.rng.integers(0, x.channels, draw.channels()).astype(np.uint32))
    network.group(strip(draw, x.size[0]))
    return y


def resizes(_: str, draw: Draw, network: Network) -> Image:
    """RESIZE to any size."""
    x = network.image((draw.channels(), *draw.size()))
    rows, columns = (
        draw.rng.integers(0, x.size[axis], draw.size()[axis]).astype(np.uint32) for axis in (0, 1)
    )
    y = network.resize(x, rows, columns)
    network.group(len(rows))
    return y


def pads(_: str, draw: Draw, network: Network) -> Image:
    """PAD on all sides."""
    x = network.image((draw.channels(), *draw.size()))
    at = (draw.between(0, 3), draw.between(0, 3))
    size = tuple(at[axis] + x.size[axis] + draw.between(0, 3) for axis in (0, 1))
    y = network.pad(x, at, (size[0], size[1]), draw.between(0, 255))
    network.group(size[0])
    return y


MAKERS: dict[str, Callable[[str, Draw, Network], Image | None]] = {
    "convolution": products,
    "depthwise": products,
    "grouped": products,
    "add": sums,
    "multiply": sums,
    "table": tables,
    "max_pool": pools,
    "average_pool": pools,
    "global_pool": global_pools,
    "copy": joins,
    "channels": shuffles,
    "resize": resizes,
    "pad": pads,
    **MOVING,
}


def operation_cases(code: str, count: int, *, batch: int = 2, scale: int = 1) -> Iterator[Case]:
    """Cases of one operation; `scale` divides their sizes."""
    for number in range(count):
        rng = np.random.default_rng([list(MAKERS).index(code), number])
        draw, network = Draw(rng, number, scale), Network(rng, batch)
        y = MAKERS[code](code, draw, network)
        yield case_of(f"{code}-{number}", network, y, is_float=draw.chance(0.5))


def case_of(name: str, network: Network, y: Image | None, *, is_float: bool = False) -> Case:
    if y is not None:
        network.output(y, 0.25 if is_float else 1.0, 100 if is_float else 0, is_float=is_float)
    arrays = tuple(network.inputs), tuple(network.outputs)
    return Case(name, network.plan.to_bytes(), *arrays, network.rounding)


def bottlenecks(count: int, *, batch: int = 2, scale: int = 1) -> Iterator[Case]:
    """[expand → depthwise → project → add], the first two in a loop over blocks of 64 channels."""
    for number in range(count):
        rng = np.random.default_rng([100, number])
        draw, network = Draw(rng, number, scale), Network(rng, batch)
        size = (draw.between(2, 14 // scale + 1), number % (40 // scale) + 1)
        channels, wide = draw.between(1, 40 // scale), draw.between(1, 200 // scale)
        # Threads share the channels, not the strips, where one strip has many.
        is_shared = number % 4 == 2
        if is_shared:
            channels, wide = draw.between(65, 140), draw.between(65, 140)
        stride, kernel = draw.between(1, 2), (3, 5)[draw.between(0, 1)]
        window = Window((kernel, kernel), (stride, stride), pads=(kernel // 2, kernel // 2))
        out = ((size[0] - 1) // stride + 1, (size[1] - 1) // stride + 1)
        rows = out[0] if is_shared else strip(draw, out[0])
        zero, block = draw.between(0, 255), 64 if wide > 48 else 0
        x = network.image((channels, *size), is_float=True)
        # One row more than are alive, so that rows wrap at other places from strip to strip.
        ring = min((rows - 1) * stride + kernel + draw.between(0, 1), size[0])
        sides = (kernel // 2, kernel // 2)
        hidden = network.product(
            "convolution", x, wide, end=draw.end(),
            place=Place(ring, block, sides, zero, zero_point=zero),
        )  # fmt: skip
        y = network.product(
            "depthwise",
            hidden,
            wide,
            window,
            size=out,
            outside=zero,
            place=Place(rows),
            end=draw.end(),
        )
        if stride == 1:
            y = network.product("convolution", y, channels, place=Place(rows))
            y = network.add(x, y)
        else:
            y = network.product("convolution", y, channels)
        network.group(rows, (0, 2))
        yield case_of(f"bottleneck-{number}", network, y, is_float=True)


def chains(count: int, *, batch: int = 2, scale: int = 1) -> Iterator[Case]:
    """[convolution → max pool → convolution] in rings that wrap; then a squeeze and its gate."""
    for number in range(count):
        rng = np.random.default_rng([101, number])
        draw, network = Draw(rng, number, scale), Network(rng, batch)
        size = (draw.between(4, 20 // scale + 1), number % (40 // scale) + 4)
        zero = draw.between(0, 255)
        three = Window((3, 3), pads=(1, 1))
        x = network.image(
            (3, *size), Place(pads=(1, 1), pad_value=zero, pitch=4, zero_point=zero), is_float=True
        )
        half = (size[0] // 2, size[1] // 2)
        rows = strip(draw, half[0])
        first = Place(min((rows + 1) * 2 + 2, size[0]), zero_point=draw.between(0, 9))
        y = network.product(
            "convolution", x, draw.channels(), three, size=size, outside=zero, place=first
        )
        second = Place(min(rows + 2, half[0]), pads=(1, 1), pad_value=7)
        y = network.pool("max_pool", y, Window((2, 2), (2, 2)), half, place=second)
        y = network.product(
            "convolution", y, draw.channels(), three, size=half, outside=7, place=Place(pads=(0, 1))
        )
        network.group(rows)
        gate = network.global_pool(y)
        gate = network.product("convolution", gate, y.channels, end=draw.end())
        network.group(1)
        y = network.multiply(y, gate)
        network.group(strip(draw, half[0]))
        yield case_of(f"chain-{number}", network, y)


def lenet() -> Case:
    """A network of LeNet-5's shape, whose last layer is float."""
    rng = np.random.default_rng(5)
    network = Network(rng, 1)
    pads = Place(pads=(2, 2), pad_value=33, pitch=4, zero_point=33)
    x = network.image((1, 28, 28), pads, is_float=True)
    five = Window((5, 5), pads=(2, 2))
    y = network.product("convolution", x, 6, five, size=(28, 28), outside=33, place=Place(4))
    y = network.pool("max_pool", y, Window((2, 2), (2, 2)), (14, 14))
    network.group(2)
    y = network.product("convolution", y, 16, Window((5, 5)), size=(10, 10), place=Place(2))
    y = network.pool("max_pool", y, Window((2, 2), (2, 2)), (5, 5))
    network.group(1)
    y = network.product("convolution", y, 20, Window((5, 5)), size=(1, 1))
    network.group(1)
    network.product("convolution", y, 10, size=(1, 1), place=Place(is_float=True))
    network.group(1)
    return case_of("lenet", network, None)


def all_cases(count: int, *, batch: int = 2, scale: int = 1) -> Iterator[Case]:
    """Some of every kind."""
    for code in MAKERS:
        yield from operation_cases(code, count, batch=batch, scale=scale)
    yield from bottlenecks(count, batch=batch, scale=scale)
    yield from chains(count, batch=batch, scale=scale)
