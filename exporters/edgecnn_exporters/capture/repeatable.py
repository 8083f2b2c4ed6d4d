"""Check that a network answers the same input with the same numbers, time after time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.capture.reference import run_once
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_runtime.arrays import Array, Float32

if TYPE_CHECKING:
    import torch

# Sums over several threads may differ in their last bits from run to run.
REPEATED = 1e-5
# Of attributes that change; there may be many.
NAMED = 3


def check_repeatable(module: torch.nn.Module, first: Float32, second: Float32) -> None:
    """Run `first` twice, then `second`, then `first` again: all of its answers must be equal.

    Raises:
        CaptureFailed: they are not; names the likely reason.
    """
    before = _state(module)
    once = run_once(module, first)
    again = run_once(module, first)
    changed = _changed(before, _state(module))
    run_once(module, second)
    last = run_once(module, first)
    name = _differing(once, again) or _differing(once, last)
    if name is None:
        return
    raise CaptureFailed(
        f"the network does not agree with itself: run twice on the same input, its output {name} "
        f"differs, so there is nothing to compare an export with. {_reason(module, first, changed)}"
    )


def _reason(module: torch.nn.Module, feed: Float32, changed: list[str]) -> str:
    # State may settle after a few runs on one input; random numbers never do.
    unseeded = [run_once(module, feed) for _ in range(2)]
    seeded = []
    for _ in range(2):
        with _seeded():
            seeded.append(run_once(module, feed))
    if _differing(*unseeded) is not None and _differing(*seeded) is None:
        return (
            "It draws random numbers in evaluation mode: F.dropout needs training=self.training, "
            "and noise belongs under if self.training"
        )
    names = f" ({', '.join(changed[:NAMED])})" if changed else ""
    return (
        f"It keeps state from run to run{names}, or draws random numbers of its own: make its "
        "answer depend on the input alone in evaluation mode"
    )


def _differing(some: dict[str, Array], others: dict[str, Array]) -> str | None:
    """The first output that differs in shape or value."""
    if some.keys() != others.keys():
        return min(some.keys() ^ others.keys())
    return next((name for name, array in some.items() if not _equal(array, others[name])), None)


def _equal(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f" or not one.size:
        return bool((one == other).all())
    allowed = REPEATED * float(np.abs(one[np.isfinite(one)]).max(initial=0))
    return bool(np.allclose(one, other, rtol=0, atol=allowed, equal_nan=True))


def _state(module: torch.nn.Module) -> dict[str, Any]:
    """Buffers, and attributes that are numbers or tensors, of every layer, by their path."""
    import torch

    state: dict[str, Any] = {}
    for path, layer in module.named_modules():
        named = [*layer.named_buffers(recurse=False), *vars(layer).items()]
        for name, value in named:
            if isinstance(value, torch.Tensor):
                state[f"{path}.{name}".lstrip(".")] = value.detach().clone()
            elif isinstance(value, (int, float)):
                state[f"{path}.{name}".lstrip(".")] = value
    return state


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    import torch

    changed = []
    for name, value in after.items():
        own = before.get(name)
        if isinstance(value, torch.Tensor) and isinstance(own, torch.Tensor):
            is_equal = value.shape == own.shape and torch.equal(value, own)
        else:
            is_equal = type(value) is type(own) and value == own
        if not is_equal:
            changed.append(name)
    return changed


@contextmanager
def _seeded() -> Iterator[None]:
    """The random numbers of PyTorch, NumPy and Python from one seed; restored afterwards."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
