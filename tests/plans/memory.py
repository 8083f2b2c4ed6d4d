"""Arena and scratch memory of a plan, with the number of the row that each place holds."""

from __future__ import annotations

import numpy as np
from plans.plan_file import PlanFile, Tensor

ARENA, RING, ARENA_RING = 2, 3, 4
GARBAGE = 0xA5


class Memory:
    def __init__(self, plan: PlanFile) -> None:
        self.tensors = plan.tensors
        arena = np.full(plan.arena, GARBAGE, np.uint8)
        scratch = np.full(plan.scratch, GARBAGE, np.uint8)
        self.bytes = {ARENA: arena, RING: scratch, ARENA_RING: arena}
        # By tensor: the row that each place of each 16 channels holds.
        self._held: dict[int, np.ndarray] = {}
        self._known: dict[int, np.ndarray] = {}
        for tensor in plan.tensors:
            if tensor.storage in self.bytes:
                assert tensor.offset % 64 == 0
                assert tensor.offset + tensor.size <= len(self.bytes[tensor.storage]), tensor.name
                assert tensor.pitch % 16 == 0 or tensor.pitch == 4
                assert tensor.block in (64, tensor.pitch)

    def forget_rings(self) -> None:
        """Fill the scratch memory with what must not be read."""
        self.bytes[RING][:] = GARBAGE
        for number in list(self._held):
            if self.tensors[number].storage == RING:
                del self._held[number]

    def forget(self, number: int) -> None:
        """Fill a ring in the arena with what must not be read."""
        if self.tensors[number].storage == ARENA_RING:
            self.bytes[ARENA][self._offsets(number)] = GARBAGE
            self._held.pop(number, None)

    def sums(self, offset: int, channels: int) -> np.ndarray:
        """int32 sums of channels, in the scratch memory."""
        assert offset % 64 == 0
        assert offset + 4 * -(-channels // 16) * 16 <= len(self.bytes[RING])
        return self.bytes[RING][offset : offset + 4 * channels].view(np.int32)

    def _places(self, number: int) -> np.ndarray:
        """Offsets of every byte of a tensor, (rows, pixels with pads, pitch)."""
        tensor = self.tensors[number]
        row, pixel, channel = np.ogrid[: tensor.rows, : tensor.row_pixels, : tensor.pitch]
        block = channel // tensor.block
        width = np.minimum(tensor.block, tensor.pitch - block * tensor.block)
        start = block * tensor.block * tensor.rows * tensor.row_pixels
        inside = (row * tensor.row_pixels + pixel) * width + channel % tensor.block
        return np.asarray(tensor.offset + start + inside)

    def write(self, number: int, row: int, channel: int, values: np.ndarray) -> None:
        """A row of pixels (width, channels) from a channel on, and the row's pads."""
        tensor = self.tensors[number]
        place = row % tensor.rows
        memory, at = self.bytes[tensor.storage], self._offsets(number)[place]
        left, last = tensor.pad_left, channel + values.shape[1]
        memory[at[left : left + tensor.width, channel:last]] = values
        memory[at[:left]] = tensor.pad_value
        memory[at[left + tensor.width :]] = tensor.pad_value
        held = self._held.setdefault(number, np.full((tensor.rows, tensor.channels), -1, np.int64))
        held[place, channel:last] = row

    def _offsets(self, number: int) -> np.ndarray:
        if number not in self._known:
            self._known[number] = self._places(number)
        return self._known[number]

    def read(self, number: int, row: int) -> np.ndarray:
        """A row with its pads, (pixels, pitch); channels that nobody wrote yet hold anything."""
        tensor = self.tensors[number]
        assert number in self._held, f"{tensor.name} is read before it is written"
        place = row % tensor.rows
        written = self._held[number][place]
        assert (written == row).any(), f"{tensor.name}: row {row} is not there, but {written[0]}"
        return self.bytes[tensor.storage][self._offsets(number)[place]]

    def check_channels(self, number: int, row: int, first: int, count: int) -> None:
        """Those channels of a row have been written."""
        tensor = self.tensors[number]
        written = self._held[number][row % tensor.rows][first : first + count]
        assert (written == row).all(), f"{tensor.name}: row {row} is not there, but {written}"

    def fill_pad_row(self, offset: int, tensor: Tensor) -> None:
        self._pad_row(offset, tensor)[:] = tensor.pad_value

    def read_pad_row(self, offset: int, tensor: Tensor) -> np.ndarray:
        """A row outside the image, (pixels, pitch), every block of channels the same."""
        assert offset != 2**64 - 1, f"{tensor.name} is read outside the image without a pad row"
        row = self._pad_row(offset, tensor).reshape(tensor.row_pixels, tensor.block)
        blocks = -(-tensor.pitch // tensor.block)
        return np.tile(row, (1, blocks))[:, : tensor.pitch]

    def _pad_row(self, offset: int, tensor: Tensor) -> np.ndarray:
        size = tensor.row_pixels * tensor.block
        assert offset % 64 == 0
        assert offset + size <= len(self.bytes[RING])
        return self.bytes[RING][offset : offset + size]
