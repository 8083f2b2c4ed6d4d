"""Shape and dtype checks of an engine's inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import FeedError
from edgecnn_runtime.manifest import TensorSpec


def check_feeds(specs: tuple[TensorSpec, ...], feeds: Mapping[str, Array]) -> None:
    """Check that every input is fed, with its dtype and shape, and nothing else is.

    Raises:
        FeedError: names the input, the actual and the expected dtype or shape.
    """
    for spec in specs:
        if spec.name not in feeds:
            raise FeedError(f"input {spec.name!r} is missing; expected {_listing(specs)}")
        array = feeds[spec.name]
        if not isinstance(array, np.ndarray):
            raise FeedError(
                f"input {spec.name!r} is a {type(array).__name__}, expected a numpy array"
            )
        # Not compared by name: that costs microseconds and ignores the byte order.
        if array.dtype != spec.dtype:
            raise FeedError(f"input {spec.name!r} is {array.dtype}, expected {spec}")
        if len(array.shape) != len(spec.shape) or any(
            actual != extent if extent is not None else actual < 1
            for actual, extent in zip(array.shape, spec.shape, strict=True)
        ):
            shape = "x".join(map(str, array.shape))
            raise FeedError(f"input {spec.name!r} has shape {shape}, expected {spec}")
    if len(feeds) != len(specs):
        names = {spec.name for spec in specs}
        extra = next(name for name in feeds if name not in names)
        raise FeedError(f"there is no input {extra!r}; expected {_listing(specs)}")


def _listing(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(map(str, specs))
