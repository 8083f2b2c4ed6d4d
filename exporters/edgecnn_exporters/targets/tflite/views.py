"""Layout views: the memory order of an ONNX value's axes in a TFLite tensor (NCHW, NHWC).

ONNX counts channels first, TFLite's kernels want them last. A value is therefore held in the order
that the kernels want, and its *view* says where each of its axes went. Transpose, Reshape, Flatten,
Squeeze and Unsqueeze change the view and move no data; a TRANSPOSE is left to be written only where
an operator needs another order than the value has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

Axes = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """The parts of a value's axes, and their order in memory.

    An axis of size 1 has no parts; an axis that a Reshape joined of several has several, outermost
    first.

    Attributes:
        axes: for each axis of the value, the numbers of its parts.
        sizes: of each part, each at least 2.
        memory: all parts, as they lie in memory, outermost first.
    """

    axes: tuple[Axes, ...]
    sizes: tuple[int, ...]
    memory: Axes

    @classmethod
    def of(cls, shape: Sequence[int], order: Sequence[int] | None = None) -> View:
        """A value of that shape whose axes lie in `order`, by default in their own."""
        axes: list[Axes] = []
        sizes: list[int] = []
        for size in shape:
            axes.append((len(sizes),) if size > 1 else ())
            sizes += [size] if size > 1 else []
        axis_order = range(len(shape)) if order is None else order
        return cls(tuple(axes), tuple(sizes), tuple(p for axis in axis_order for p in axes[axis]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value in ONNX's axis order."""
        return tuple(prod(self.sizes[part] for part in parts) for parts in self.axes)

    def lies_in(self, order: Sequence[int]) -> bool:
        """Whether the axes lie in this order in memory, each of them whole."""
        return self.memory == tuple(part for axis in order for part in self.axes[axis])

    def transposed(self, order: Sequence[int]) -> View:
        """The same memory, its axes counted in another order: ONNX's Transpose."""
        return View(tuple(self.axes[axis] for axis in order), self.sizes, self.memory)

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """The same memory as a value of another shape, or None where data would have to move.

        Runs of parts that are neighbours both in the value and in memory count as one, and are cut
        where the new axes begin.
        """
        blocks = self._blocks()
        sizes: list[int] = []
        split: list[list[int]] = [[] for _ in blocks]
        axes: list[Axes] = []
        at, left = 0, prod(self.sizes[part] for part in blocks[0]) if blocks else 1
        for size in shape:
            parts: list[int] = []
            wanted = size
            while wanted > 1:
                if left == 1:
                    at += 1
                    if at == len(blocks):
                        return None
                    left = prod(self.sizes[part] for part in blocks[at])
                if max(wanted, left) % min(wanted, left):
                    return None
                taken = min(wanted, left)
                parts.append(len(sizes))
                split[at].append(len(sizes))
                sizes.append(taken)
                wanted, left = wanted // taken, left // taken
            axes.append(tuple(parts))
        starts = {block[0]: number for number, block in enumerate(blocks)}
        memory = [p for part in self.memory if part in starts for p in split[starts[part]]]
        return View(tuple(axes), tuple(sizes), tuple(memory))

    def _blocks(self) -> list[Axes]:
        """Runs of parts that are neighbours in the value and in memory, in the value's order."""
        place = {part: index for index, part in enumerate(self.memory)}
        blocks: list[Axes] = []
        for part in (part for parts in self.axes for part in parts):
            if blocks and place[part] == place[blocks[-1][-1]] + 1:
                blocks[-1] = (*blocks[-1], part)
            else:
                blocks.append((part,))
        return blocks

    def order(self) -> Axes | None:
        """The order in which the axes lie in memory; None where a joined axis lies scattered.

        Of several equal ones, channels last for four axes, else the value's own.
        """
        likely = [(0, 2, 3, 1)] if len(self.axes) == 4 else []
        for candidate in (*likely, tuple(range(len(self.axes)))):
            if self.lies_in(candidate):
                return candidate
        place = {part: index for index, part in enumerate(self.memory)}
        axis_order = sorted(
            range(len(self.axes)),
            key=lambda axis: place[self.axes[axis][0]] if self.axes[axis] else -1,
        )
        return tuple(axis_order) if self.lies_in(axis_order) else None

    def permutation(self, order: Sequence[int]) -> tuple[tuple[int, ...], Axes]:
        """The memory as a shape, and the permutation of it after which the axes lie in `order`."""
        wanted = [part for axis in order for part in self.axes[axis]]
        runs: list[list[int]] = []
        for part in self.memory:
            follows = runs and wanted.index(part) == wanted.index(runs[-1][-1]) + 1
            if follows:
                runs[-1].append(part)
            else:
                runs.append([part])
        shape = tuple(prod(self.sizes[part] for part in run) for run in runs)
        moved = sorted(range(len(runs)), key=lambda number: wanted.index(runs[number][0]))
        return shape, tuple(moved)
