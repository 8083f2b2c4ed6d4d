"""Memory estimate of calibration from shapes, and the sample count that fits a limit."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.in_parallel import MOST_AT_ONCE
from edgecnn_exporters.quantise.state import IN_HAND, InMemory, products_of
from edgecnn_exporters.quantise.steps.corrected import WALKS
from edgecnn_runtime.arrays import Float32

FLOAT = 4
# Of a layer's output, for each sample in hand: float, once more shifted, 8 bits before and after;
# as often as networks have their biases corrected at a time.
COPIES = WALKS * (2 * FLOAT + 2)


def fit_memory(
    model: ir.Model, plan: QuantisationPlan, sample: Float32, limit: int | None
) -> InMemory:
    """How many samples may be in memory at a time within a limit.

    Args:
        limit: bytes that samples and their activations may take; None for no limit.

    Raises:
        CalibrationFailed: one sample alone takes more.
    """
    if limit is None:
        return InMemory()
    products = list(products_of(model, plan).values())
    sizes = _sizes(model.graph, len(sample))
    looked_at = sum(sizes.get(name, 0) for name in {*plan.sources, *products})
    largest = max((sizes.get(name, 0) for name in products), default=0)
    # A sample waits in memory while its activations are looked at.
    alone = sample.nbytes + FLOAT * looked_at
    each = sample.nbytes + COPIES * largest
    if max(alone, each) > limit:
        raise CalibrationFailed(
            f"one sample and its activations take {max(alone, each) / 1e6:.1f} MB, "
            f"{limit / 1e6:g} MB are allowed: raise --memory-limit, or make --input smaller"
        )
    return InMemory(min(IN_HAND, limit // each), min(MOST_AT_ONCE, limit // alone))


def _sizes(graph: ir.Graph, batch: int) -> dict[str, int]:
    """Number of elements of each value; those of unknown shape are left out."""
    sizes = {}
    for value in (*graph.inputs, *(output for node in graph for output in node.outputs)):
        if value.shape is None:
            continue
        size = 1
        for axis, extent in enumerate(value.shape):
            known = extent if isinstance(extent, int) else batch if axis == 0 else 0
            size *= known
        sizes[str(value.name)] = size
    return sizes
