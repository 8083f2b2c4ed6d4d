"""Random sizes, windows and endings of the cases for kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from native.formulas import Ending, Window
from native.network import Place


@dataclass
class Draw:
    """Random sizes of one case; widths go from 1 to 40 with its number."""

    rng: np.random.Generator
    number: int
    scale: int = 1

    def between(self, low: int, high: int) -> int:
        """One of low … high."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < share)

    def channels(self) -> int:
        """Below and above the blocks of 16, 32 and 64."""
        return self.between(1, (5, 20, 70, 140)[self.between(0, 3)] // self.scale)

    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.between(1, 12 // self.scale + 1), self.number % (40 // self.scale) + 1

    def end(self) -> Ending:
        """With a clamp, a table, both or neither."""
        low, high = (self.between(0, 100), self.between(120, 255)) if self.chance(0.4) else (0, 255)
        table = self.rng.integers(0, 256, 256).astype(np.uint8) if self.chance(0.3) else None
        return Ending(low, high, table)

    def place(self) -> Place:
        """Stored, with a zero point as often as not."""
        return Place(zero_point=self.between(0, 255) if self.chance(0.6) else 0)

    def window(
        self, size: tuple[int, int], largest: int = 5
    ) -> tuple[Window, tuple[int, int], int]:
        """A window over an image, the size of its result, and pads to the right that it needs."""
        kernel = (self.between(1, largest), self.between(1, largest))
        if self.chance(0.5):
            kernel = (3, 3) if self.chance(0.7) else (1, 1)
        stride = (
            (self.between(1, 2),) * 2
            if self.chance(0.8)
            else (self.between(1, 3), self.between(1, 3))
        )
        dilation = (1, 1) if self.chance(0.7) else (self.between(1, 2), self.between(1, 3))
        pads = (self.between(0, kernel[0] - 1), self.between(0, kernel[1] - 1))
        below = (self.between(0, kernel[0] - 1), self.between(0, kernel[1] - 1))
        reach = [(kernel[i] - 1) * dilation[i] for i in (0, 1)]
        out = [(size[i] + pads[i] + below[i] - reach[i] - 1) // stride[i] + 1 for i in (0, 1)]
        if min(out) < 1:
            return Window(), size, 0
        right = (out[1] - 1) * stride[1] - pads[1] + reach[1] + 1 - size[1]
        return Window(kernel, stride, dilation, pads), (out[0], out[1]), max(right, 0)


def strip(draw: Draw, height: int) -> int:
    """Rows of a strip."""
    return draw.between(1, height)
