"""TensorFlow Lite Micro's own interpreter, in a process of its own: smallest arena, and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn_exporters.targets.mcu.tensors import TensorList
from edgecnn_exporters.targets.toolchain import Toolchain
from edgecnn_exporters.targets.worker_process import read_outputs, run_worker, write_inputs
from edgecnn_runtime.arrays import Array

TFLM = Toolchain(
    name="tflite-micro",
    purpose="interpreter of TensorFlow Lite for Microcontrollers",
    # Wheels of before need tensorflow.
    oldest="0.dev20261023",
    licence="Apache-2.0",
    extra="mcu",
    variable="EDGECNN_TFLM_PYTHON",
    size_mb=3,
)
WORKER = Path(__file__).with_name("tflm_worker.py")


@dataclass(frozen=True)
class Arena:
    """The smallest tensor arena with which AllocateTensors succeeds, on this machine.

    Attributes:
        arena_bytes: its size.
        planned_bytes: of tensors and scratch buffers, laid over each other by their lifetimes.
        persistent_bytes: of the interpreter's structures, which hold pointers.
        pointer_bytes: of a pointer here; a Cortex-M has 4.
        trials: sizes that were tried.
    """

    arena_bytes: int
    planned_bytes: int
    persistent_bytes: int
    pointer_bytes: int
    trials: int


def smallest_arena(model: bytes, tensors: TensorList, folder: Path, log: Path) -> Arena:
    """The smallest arena of a network, found by bisection.

    Raises:
        CompilerFailed: the interpreter does not open the model, or crashed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    task = {
        "ceiling": _ceiling(model, tensors),
        "inputs": list(tensors.inputs),
        "outputs": list(tensors.outputs),
    }
    return Arena(**run_worker(TFLM.name, TFLM, WORKER, task, folder, log))


def answers(
    model: bytes,
    tensors: TensorList,
    feeds: Sequence[Mapping[str, Array]],
    folder: Path,
    log: Path,
) -> tuple[list[dict[str, Array]], Arena]:
    """Outputs by name for each of the feeds, computed in the smallest arena.

    Args:
        feeds: inputs by name, in the file's layout and dtype.

    Raises:
        CompilerFailed: the interpreter does not open the model, or crashed.
    """
    write_inputs(folder, feeds)
    arena = smallest_arena(model, tensors, folder, log)
    return read_outputs(folder, len(feeds), tensors.outputs), arena


def _ceiling(model: bytes, tensors: TensorList) -> int:
    """Bytes that any arena of the network is below: it bounds the bisection, and is not touched.

    Every tensor at once and as often again for scratch buffers of 32-bit sums; the multipliers of
    the channels, which are fewer than the model's bytes; structures for each tensor and operator.
    """
    computed = sum(each.size_bytes for each in tensors.activations)
    nodes = len(tensors.activations) + len(tensors.weights) + sum(tensors.operators.values())
    return (1 << 20) + 8 * computed + 8 * len(model) + 1024 * nodes
