"""Arithmetic of a plan, and the number of threads that it pays to share it among."""

from __future__ import annotations

import numpy as np

from edgecnn_runtime.host.processor import physical_cores

# A team meets after every group of layers, for some microseconds. Two threads were slower than one
# on nine of ten networks of fewer multiply-adds (docs/engines.md), and faster beyond.
MULTIPLY_ADDS_A_THREAD = 20e6
# struct plan_header, plan_tensor and plan_operation of native/src/plan.h.
_HEADER_BYTES, _COUNTS_AT = 64, 24
_TENSOR = np.dtype(
    {"names": ["height", "width"], "formats": ["<u4"] * 2, "offsets": [8, 12], "itemsize": 64}
)
_FIELDS = {
    "code": ("<u2", 0),
    "output": ("<u4", 12),
    "channels": ("<u4", 24),
    "output_channels": ("<u4", 28),
    "kernel_h": ("<u2", 32),
    "kernel_w": ("<u2", 34),
    "groups": ("<u4", 48),
}
_OPERATION = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": [form for form, _ in _FIELDS.values()],
        "offsets": [offset for _, offset in _FIELDS.values()],
        "itemsize": 128,
    }
)
_CONVOLUTION, _DEPTHWISE, _GROUPED = 3, 4, 5


def multiply_adds(plan: bytes) -> float:
    """Multiply-adds of one image; 0 for bytes that are no plan, which its library refuses."""
    if len(plan) < _HEADER_BYTES:
        return 0.0
    tensor_count, count = (int(each) for each in np.frombuffer(plan, "<u4", 2, _COUNTS_AT))
    begin = _HEADER_BYTES + tensor_count * _TENSOR.itemsize
    if not tensor_count or begin + count * _OPERATION.itemsize > len(plan):
        return 0.0
    tensors = np.frombuffer(plan, _TENSOR, tensor_count, _HEADER_BYTES)
    operations = np.frombuffer(plan, _OPERATION, count, begin)
    operations = operations[np.isin(operations["code"], (_CONVOLUTION, _DEPTHWISE, _GROUPED))]
    outputs = tensors[np.minimum(operations["output"], tensor_count - 1)]
    depth = operations["channels"] / np.maximum(operations["groups"], 1).astype(np.float64)
    depth[operations["code"] == _DEPTHWISE] = 1
    factors = [outputs["height"], outputs["width"], operations["output_channels"]]
    factors += [operations["kernel_h"], operations["kernel_w"]]
    each = depth
    for factor in factors:
        each = each * factor.astype(np.float64)
    return float(each.sum())


def usual_threads(plan: bytes) -> int:
    """Threads where none were asked for: one for each 20 million multiply-adds.

    At most four, and as many as there are cores that this process may use.
    """
    worth = int(multiply_adds(plan) / MULTIPLY_ADDS_A_THREAD)
    return min(worth, physical_cores()) if worth > 1 else 1
