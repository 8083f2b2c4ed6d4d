"""Cases of groups that run in order: long chains of rings, made row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from native.cases import Case, Draw, case_of
from native.formulas import Window
from native.network import Image, Network, Place

THREE = Window((3, 3), pads=(1, 1))
HALF = Window((3, 3), (2, 2), pads=(1, 1))


@dataclass
class _Chain:
    """A group under construction.

    Attributes:
        spare: rings may have a row more than are read at once.
    """

    draw: Draw
    network: Network
    spare: bool

    def ring(self, rows: int, height: int, zero: int = 0, sides: int = 0) -> Place:
        """A ring in the arena or in the scratch memory, with pads of its zero point."""
        return Place(
            min(rows + self.draw.between(0, int(self.spare)), height),
            pads=(sides, sides),
            pad_value=zero,
            zero_point=zero,
            in_arena=self.draw.chance(0.8),
        )

    def residual(self, x: Image, zero: int, rows: int) -> tuple[Image, int]:
        """x plus two 3×3 convolutions of it, of which so many rows are read at once; its zero."""
        network, channels, size = self.network, x.channels, x.size
        inner = self.draw.between(0, 255)
        y = network.product(
            "convolution", x, self.draw.channels(), THREE, size=size, outside=zero,
            place=self.ring(3, size[0], inner, 1), end=self.draw.end(),
        )  # fmt: skip
        y = network.product(
            "convolution", y, channels, THREE, size=size, outside=inner,
            place=self.ring(1, size[0], self.draw.between(0, 255)),
        )  # fmt: skip
        outer = self.draw.between(0, 255)
        return network.add(y, x, self.ring(rows, size[0], outer, 1), self.draw.end()), outer

    def separable(self, x: Image, zero: int, rows: int) -> tuple[Image, int]:
        """Depthwise of stride 2, then pointwise, of which so many rows are read at once."""
        network = self.network
        half = ((x.size[0] - 1) // 2 + 1, (x.size[1] - 1) // 2 + 1)
        y = network.product(
            "depthwise", x, x.channels, HALF, size=half, outside=zero, place=self.ring(1, half[0])
        )
        outer = self.draw.between(0, 255)
        y = network.product(
            "convolution", y, self.draw.channels(), place=self.ring(rows, half[0], outer, 1)
        )
        return y, outer


def chains_in_order(
    count: int, *, batch: int = 2, scale: int = 1, spare: bool = True
) -> Iterator[Case]:
    """[residuals → separables → global pool → classes], all in one group.

    In every other case the image behind the residuals is stored, and leaves the network too.
    """
    for number in range(count):
        rng = np.random.default_rng([102, number])
        draw, network = Draw(rng, number, scale), Network(rng, batch)
        chain = _Chain(draw, network, spare)
        size = (draw.between(1, 20 // scale + 1), number % (40 // scale) + 1)
        zero = draw.between(0, 255)
        stored = Place(pads=(1, 1), pad_value=zero, zero_point=zero)
        y = x = network.image((draw.channels(), *size), stored)
        for rows in (3, 1 if number % 2 else 3)[draw.between(0, 1) :]:
            y, zero = chain.residual(y, zero, rows)
        if number % 2:
            zero = draw.between(0, 255)
            place = Place(pads=(1, 1), pad_value=zero, zero_point=zero)
            x = y = network.product("convolution", y, draw.channels(), place=place)
        for rows in (3, 1)[draw.between(0, 1) :]:
            y, zero = chain.separable(y, zero, rows)
        y = network.global_pool(y, chain.ring(1, 1), draw.end(), by_rows=True)
        y = network.product("convolution", y, draw.channels(), end=draw.end())
        network.group(1, in_order=True)
        network.output(x, is_float=False)
        yield case_of(f"in_order-{number}", network, y)
