"""Report of a network on microcontrollers: flash, arena, operators, and the boards that hold it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgecnn_exporters.targets.mcu.boards import Need, boards
from edgecnn_exporters.targets.mcu.interpreter import Arena
from edgecnn_exporters.targets.mcu.tensors import Tensor, TensorList

NOTES = {
    "model_bytes": "the TFLite file, which stays in flash; the code of the interpreter and its "
    "kernels is not counted",
    "arena_bytes": "smallest tensor arena with which AllocateTensors succeeds here, with reference "
    "kernels; a Cortex-M has pointers of 4 bytes, so its structures are smaller, but kernels such "
    "as CMSIS-NN's may ask for scratch buffers: arena_used_bytes() tells on the board",
}


def report(
    need: Need, arena: Arena, tensors: TensorList, methods: tuple[str, ...]
) -> dict[str, Any]:
    """The figures as JSON values.

    Args:
        methods: of MicroMutableOpResolver, for the operators.
    """
    return {
        "model_bytes": need.flash_bytes,
        **asdict(arena),
        "operators": dict(tensors.operators),
        "resolver": list(methods),
        "largest_weight": _largest(tensors.weights),
        "largest_tensor": _largest(tensors.activations),
        "boards": room_on_boards(need),
        "notes": NOTES,
    }


def room_on_boards(need: Need) -> dict[str, Any]:
    """Whether each board holds the network, and the bytes over where it does not."""
    return {board.name: _room(*need.over(board)) for board in boards()}


def _room(flash_over: int, ram_over: int) -> dict[str, Any]:
    over = {"flash_over_bytes": flash_over, "ram_over_bytes": ram_over}
    return {"fits": not flash_over and not ram_over, **{k: v for k, v in over.items() if v}}


def _largest(tensors: tuple[Tensor, ...]) -> dict[str, Any] | None:
    return asdict(max(tensors, key=lambda each: each.size_bytes)) if tensors else None


def boards_note(network: str, need: Need) -> str:
    """Which boards hold the network, in a sentence."""
    held = [board.name for board in boards() if not any(need.over(board))]
    missed = [board.name for board in boards() if any(need.over(board))]
    memory = f"{need.flash_bytes:,} bytes of flash and {need.ram_bytes:,} of RAM"
    fits = f"fit {', '.join(held)}" if held else "fit none of the boards"
    rest = f"; not {', '.join(missed)}" if held and missed else ""
    return f"{network} needs {memory}, code not counted: these {fits}{rest}"
