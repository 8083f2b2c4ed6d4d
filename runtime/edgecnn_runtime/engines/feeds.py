"""Shape and dtype checks of an engine's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import FeedError
from edgecnn_runtime.tensor_spec import TensorSpec


def check_feeds(specs: tuple[TensorSpec, ...], feeds: Mapping[str, Array]) -> None:
    """Check that every input is fed, with its dtype and shape, and nothing else is.

    Raises:
        FeedError: names the input, the actual and the expected dtype or shape, and the next step.
    """
    if not isinstance(feeds, Mapping):
        raise FeedError(
            f"feeds are a {type(feeds).__name__}, expected arrays by the name of their input, "
            f"{_listing(specs)}: {_example(specs)}"
        )
    for spec in specs:
        if spec.name not in feeds:
            given = ", ".join(map(repr, feeds)) or "nothing"
            raise FeedError(
                f"input {spec.name!r} is missing among {given}; expected {_listing(specs)}: "
                f"{_example(specs)}"
            )
        array = feeds[spec.name]
        if not isinstance(array, np.ndarray):
            raise FeedError(
                f"input {spec.name!r} is a {type(array).__name__}, expected a numpy array, {spec}; "
                f"{_as_array(array)}"
            )
        # Not compared by name: that costs microseconds and ignores the byte order.
        if array.dtype != spec.dtype:
            raise FeedError(
                f"input {spec.name!r} is {array.dtype}, expected {spec}{_of_type(array, spec)}"
            )
        if not _fits(array.shape, spec.shape) or 0 in array.shape:
            shape = "x".join(map(str, array.shape))
            raise FeedError(
                f"input {spec.name!r} has shape {shape}, expected {spec}{_of_shape(array, spec)}"
            )
    if len(feeds) != len(specs):
        names = {spec.name for spec in specs}
        extra = next(name for name in feeds if name not in names)
        raise FeedError(f"there is no input {extra!r}; expected {_listing(specs)}")


def _listing(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(map(str, specs))


def _example(specs: tuple[TensorSpec, ...]) -> str:
    """A call with every input, as Python."""
    feeds = ", ".join(
        f'"{spec.name}": {name}' for spec, name in zip(specs, _variables(len(specs)), strict=True)
    )
    return f"run({{{feeds}}})"


def _variables(count: int) -> list[str]:
    return ["x"] if count == 1 else [f"x{index}" for index in range(count)]


def _as_array(value: object) -> str:
    """How another library's array, or a list, becomes a numpy array."""
    if hasattr(value, "detach"):  # a PyTorch tensor
        return "pass tensor.detach().cpu().numpy()"
    return "numpy.asarray(…, dtype) makes one"


def _of_type(array: Array, spec: TensorSpec) -> str:
    """The next step for an array of another type; empty where there is none to name."""
    if array.dtype == np.uint8 and spec.dtype == "float32":
        return "; an image becomes an input by preprocess(image)"
    return f"; pass x.astype('{spec.dtype}')" if array.dtype.kind in "fiu" else ""


def _of_shape(array: Array, spec: TensorSpec) -> str:
    """The next step for an array of another shape; empty where there is none to name."""
    if _fits(array.shape, spec.shape[1:]):
        return f'; its batch axis is missing: run({{"{spec.name}": x[None]}})'
    if array.ndim == 4 and _fits([array.shape[axis] for axis in (0, 3, 1, 2)], spec.shape):
        return "; its channels are the last axis: pass x.transpose(0, 3, 1, 2)"
    return ""


def _fits(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    if len(shape) != len(expected):
        return False
    # A loop: a generator costs a microsecond, a twentieth of a run of a small network.
    for actual, extent in zip(shape, expected, strict=True):
        if extent is not None and extent != actual:
            return False
    return True
