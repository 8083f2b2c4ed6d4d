"""Bisection of a long graph to the first values with too large an accumulated error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.sources import Candidate, aligned, reference_values
from edgecnn_runtime.arrays import Array

# Bytes of float values that a comparison may keep, of reference and candidate together.
MEMORY_LIMIT_BYTES = 1 << 30
# Largest relative error that a value may have accumulated from the input on.
# fp32: the tolerance of parity at the output. int8: 12 dB, less than any sound network has.
ACCUMULATED_LIMIT = {"fp32": 1e-4, "fp16": 1e-2, "int8": 0.25}
# Values before the first wrong one that are compared too: an error needs a few layers to show.
BEFORE = 8


def first_beyond(names: Sequence[str], is_beyond: Callable[[str], bool]) -> int | None:
    """The first of `names` that is beyond the limit, by bisection; None where the last is not.

    Assumes that once a value is beyond, all later ones are: an accumulated error does not go away.
    It may, where a Relu cuts it off or a correct branch joins. So the nodes around the result are
    compared one by one, and all nodes of the graph where none of these is wrong.
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
    reference: ir.Model, candidate: Candidate, feeds: Mapping[str, Array]
) -> frozenset[str] | None:
    """The values around the first wrong one, from the input on; None where none is wrong.

    One value at a time is kept in memory.
    """
    names = list(aligned(reference, candidate))

    def is_beyond(name: str) -> bool:
        expected = reference_values(reference, feeds, {name})[name]
        actual = candidate.values(feeds, {name}).get(name)
        if actual is None:
            return False
        return accumulated_error(expected, actual) > ACCUMULATED_LIMIT[candidate.precision]

    first = first_beyond(names, is_beyond)
    return None if first is None else frozenset(names[max(first - BEFORE, 0) : first + 2])


def accumulated_error(expected: Array, actual: Array) -> float:
    """Relative accumulated error of a value; infinite for another shape or NaN.

    The greater of two ratios, error to value: of the largest magnitudes, as in parity's verdict,
    and of the root mean squares.
    """
    if expected.shape != actual.shape:
        return float(np.inf)
    error = np.abs(actual.astype(np.float64) - expected)
    power = np.square(expected, dtype=np.float64).mean()
    ratio = max(
        float(error.max()) / max(float(np.abs(expected).max()), 1e-30),
        float(np.sqrt(np.square(error).mean() / max(power, 1e-30))),
    )
    return ratio if np.isfinite(ratio) else float(np.inf)


def size_bytes(reference: ir.Model, batch: int) -> int:
    """Bytes of all values of a graph in float32; an unknown dimension counts as one."""
    total = 0
    for node in reference.graph:
        for value in node.outputs:
            extents = [] if value.shape is None else list(value.shape)[1:]
            total += 4 * batch * int(np.prod([e if isinstance(e, int) else 1 for e in extents]))
    return total
