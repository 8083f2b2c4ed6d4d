"""Bisection of a long graph to the first values with too large an accumulated error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.sources import Suspect, aligned, reference_values
from edgecnn_runtime.arrays import Array

# Of float values that a comparison may hold, of the reference and of the suspect together.
IN_HAND_BYTES = 1 << 30
# How much may have gathered from the input to a value, relative to it.
# fp32: what the verdict of parity allows at the output. int8: 12 dB, less than any sound network.
GATHERED = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.25}
# Values before the first that is off, which are looked at too: an error needs a few layers to show.
BEFORE = 8


def first_beyond(names: Sequence[str], is_beyond: Callable[[str], bool]) -> int | None:
    """The first of `names` that is beyond the limit, by bisection; None where the last is not.

    Assumes that once a value is beyond, all later ones are: an error that gathers does not go away.
    It does where a Relu cuts it off or a branch joins that is right; so what is found here is
    looked at node by node, and where nothing is found there, all of the graph is.
    """
    if not names or not is_beyond(names[-1]):
        return None
    low, high = 0, len(names) - 1
    while low < high:
        middle = (low + high) // 2
        if is_beyond(names[middle]):
            high = middle
        else:
            low = middle + 1
    return low


def window(
    reference: ir.Model, suspect: Suspect, feeds: Mapping[str, Array]
) -> frozenset[str] | None:
    """The values around the first that is off, from the input on; None where none is found.

    One value at a time is held.
    """
    names = list(aligned(reference, suspect))

    def is_beyond(name: str) -> bool:
        expected = reference_values(reference, feeds, {name})[name]
        found = suspect.values(feeds, {name}).get(name)
        if found is None:
            return False
        return gathered(expected, found) > GATHERED[suspect.precision]

    found = first_beyond(names, is_beyond)
    return None if found is None else frozenset(names[max(found - BEFORE, 0) : found + 2])


def gathered(expected: Array, found: Array) -> float:
    """Relative accumulated error of a value; infinite for another shape or NaN.

    The greater of largest over largest, which is what parity's verdict says, and of root mean
    square over root mean square.
    """
    if expected.shape != found.shape:
        return float(np.inf)
    error = np.abs(found.astype(np.float64) - expected)
    power = np.square(expected, dtype=np.float64).mean()
    ratio = max(
        float(error.max()) / max(float(np.abs(expected).max()), 1e-30),
        float(np.sqrt(np.square(error).mean() / max(power, 1e-30))),
    )
    return ratio if np.isfinite(ratio) else float(np.inf)


def size_bytes(reference: ir.Model, batch: int) -> int:
    """Bytes of all values of a graph in float32; a dimension that is unknown counts as one."""
    total = 0
    for node in reference.graph:
        for value in node.outputs:
            extents = [] if value.shape is None else list(value.shape)[1:]
            total += 4 * batch * int(np.prod([e if isinstance(e, int) else 1 for e in extents]))
    return total
