"""Activation memory of a network, operation by operation."""

from __future__ import annotations

from edgecnn.zoo.analysis.tracing import Trace


def live_bytes(trace: Trace) -> tuple[int, ...]:
    """Bytes of activations that live while each operation runs.

    Counted, for fp32 and batch 1, operator by operator as PyTorch runs them in inference: the
    network's input, what the operation reads, what it writes, and every tensor that a later
    operation still reads. A tensor is freed after its last reader; the network's outputs are kept.
    Views share the memory of what they view. An operator in place is counted as if it wrote a new
    tensor, and nothing is fused, so BatchNorm and ReLU each read one tensor and write another.

    Not counted: parameters and buffers, scratch memory inside a kernel, and tensors that do not
    depend on the input. A runtime that folds and fuses needs less, one that plans badly more.
    """
    sizes = {value.buffer: value.size_bytes for value in trace.values}
    end = len(trace.operations)
    born = {trace.values[0].buffer: 0}
    freed = {trace.values[0].buffer: 0}
    for index, operation in enumerate(trace.operations):
        for i in operation.outputs:
            born.setdefault(trace.values[i].buffer, index)
        for i in (*operation.inputs, *operation.outputs):
            freed[trace.values[i].buffer] = index
    for i in trace.outputs:
        freed[trace.values[i].buffer] = end
    change = [0] * (end + 2)
    for buffer, index in born.items():
        change[index] += sizes[buffer]
        change[freed[buffer] + 1] -= sizes[buffer]
    live = []
    total = 0
    for index in range(end):
        total += change[index]
        live.append(total)
    return tuple(live)
