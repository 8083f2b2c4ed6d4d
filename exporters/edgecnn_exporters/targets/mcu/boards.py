"""Boards with a microcontroller: flash and RAM of the profiles, and whether a network fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgecnn_exporters.errors import DoesNotFit
from edgecnn_exporters.targets.mcu.tensors import TensorList
from edgecnn_exporters.targets.profile import TargetProfile, target_profiles

FAMILY = "mcu"


@dataclass(frozen=True)
class Board:
    """A microcontroller with its memory.

    Attributes:
        core: of the processor, as "Cortex-M4".
        flash_bytes: that code and model share.
        ram_bytes: the largest piece of contiguous RAM, for the arena is one array.
    """

    name: str
    title: str
    core: str
    flash_bytes: int
    ram_bytes: int


@dataclass(frozen=True)
class Need:
    """Memory of a network: bytes of its file in flash and of its tensor arena in RAM."""

    flash_bytes: int
    ram_bytes: int

    def over(self, board: Board) -> tuple[int, int]:
        """Bytes by which it exceeds the board's flash and RAM; 0 where it fits."""
        return (
            max(0, self.flash_bytes - board.flash_bytes),
            max(0, self.ram_bytes - board.ram_bytes),
        )


def board_of(profile: TargetProfile) -> Board | None:
    """The board of a profile; None for `mcu`, which names none."""
    settings = profile.settings
    if "flash_bytes" not in settings:
        return None
    return Board(
        profile.name,
        profile.title,
        str(settings["core"]),
        int(settings["flash_bytes"]),
        int(settings["ram_bytes"]),
    )


def boards() -> Iterator[Board]:
    """All boards, in the order of the profiles."""
    for profile in target_profiles().values():
        board = board_of(profile) if profile.family == FAMILY else None
        if board is not None:
            yield board


def check_fits(network: str, need: Need, tensors: TensorList, board: Board) -> None:
    """Check that the model fits the board's flash and the arena its RAM.

    Raises:
        DoesNotFit: the message has the bytes over, and the largest tensor of that memory.
    """
    flash_over, ram_over = need.over(board)
    parts = []
    if flash_over:
        largest = max(tensors.weights, key=lambda each: each.size_bytes)
        parts.append(
            f"its file of {need.flash_bytes:,} bytes is {flash_over:,} more than the flash of "
            f"{board.flash_bytes:,} (the largest weight is {largest})"
        )
    if ram_over:
        largest = max(tensors.activations, key=lambda each: each.size_bytes)
        parts.append(
            f"its tensor arena of {need.ram_bytes:,} bytes is {ram_over:,} more than the RAM of "
            f"{board.ram_bytes:,} (the largest tensor is {largest})"
        )
    if parts:
        raise DoesNotFit(
            f"{network} does not fit {board.name} ({board.title}): {', and '.join(parts)}; take a "
            "narrower network, a smaller input, or another board: --for mcu lists those that hold "
            "it"
        )
