"""Static limits of a plan of the engine ``native``: its header, its memory.

A plan is data without references: weights and a schedule of operations that its library knows. The
library checks every record of it before it uses one; native/src/plan.h documents the format.
"""

from __future__ import annotations

import struct

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.errors import BundleUnreadable, OverBudget

_MAGIC, _ENDIAN = b"EDGEPLAN", 0x01020304
# struct plan_header: magic, version, endian, size; tensors, operations, groups, names; data, arena,
# scratch.
_HEADER = struct.Struct("<8sIIQ4I3Q")


def refuse_unsafe_plan(model: bytes, name: str, budget: Budget) -> None:
    """Refuse a plan whose file is not whole, or whose memory exceeds `budget` in one thread.

    Raises:
        OverBudget: its tensors take more memory than the budget allows.
        BundleUnreadable: the bytes are no plan, or not all of one.
    """
    if len(model) < _HEADER.size or not model.startswith(_MAGIC):
        raise BundleUnreadable(f"{name} does not begin as a plan does")
    _, _, endian, size, *_, arena, scratch = _HEADER.unpack_from(model)
    if endian != _ENDIAN:
        raise BundleUnreadable(f"{name} is a plan of another byte order")
    if size != len(model):
        raise BundleUnreadable(f"{name} has {len(model)} bytes, its header says {size}")
    if arena + scratch > budget.memory_bytes:
        raise OverBudget(
            f"{name} needs {arena + scratch:,} bytes for its tensors; at most "
            f"{budget.memory_bytes:,} are allowed"
        )
