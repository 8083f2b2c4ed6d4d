"""Plans that write over what they read: they are accepted, and stay within their memory."""

from __future__ import annotations

import numpy as np

from native.plan_bytes import ARENA, INPUT, OUTPUT, RING, Plan

MOST_NORMS = 2**31 // 255**2  # channels whose sum of squares fits an int32


def overlaps() -> dict[str, bytes]:
    """Name → plan."""
    levels = {"factors": (1, 0, 0), "zero_points": (255, 0, 0)}
    norm = {"groups": 2, "flags": 1, "factors": (1, 1, 0)}
    return {
        # Channel 5 becomes larger than the largest value that was found.
        "overlap-softmax": in_place("softmax", 64, 0, at=(0, 4), weights=np.ones(256, np.uint32),
                                    **levels),
        # What the sum gained and what it loses differ.
        "overlap-norm-up": in_place("response_norm", MOST_NORMS + 9, 255, clamp=(0, 0), **norm),
        "overlap-norm-down": in_place("response_norm", MOST_NORMS + 9, 0, clamp=(255, 255), **norm),
        "overlap-sums": sums_in_a_ring(),
    }  # fmt: skip


def in_place(code: str, channels: int, value: int, **fields: object) -> bytes:
    """An operation on an image of one value, to the same image."""
    plan = Plan()
    x = plan.tensor(INPUT, (channels, 1, 1))
    y = plan.tensor(ARENA, (channels, 1, 1), pitch=channels + -channels % 16 + 16)
    z = plan.tensor(OUTPUT, (channels, 1, 1))
    plan.operation("quantise", (x,), y, channels, factors=(1, 0, 0), clamp=(value, value))
    plan.operation(code, (y,), y, channels, **fields)
    plan.operation("dequantise", (y,), z, channels, factors=(1, 0, 0))
    for number in range(3):
        plan.group(number, 1, 1)
    return plan.to_bytes()


def sums_in_a_ring() -> bytes:
    """A GLOBAL_POOL whose sums are the ring that it reads: row 1 makes channel 4's the largest."""
    plan = Plan()
    x = plan.tensor(INPUT, (16, 2, 1))
    y = plan.tensor(ARENA, (16, 2, 1))
    ring = plan.tensor(RING, (16, 2, 1))
    pooled = plan.tensor(ARENA, (16, 1, 1))
    z = plan.tensor(OUTPUT, (16, 1, 1))
    plan.operation("quantise", (x,), y, 16, factors=(1, 0, 0))
    plan.operation(
        "depthwise", (y,), ring, 16, weights=np.zeros(16, np.int8),
        bias=np.tile([255, 255, 255, 127], 4).astype(np.int32), multiplier=np.ones(16, np.float32),
    )  # fmt: skip
    plan.operation("global_pool", (ring,), pooled, 16, factors=(0.01, 0, 0), pad_row=0)
    plan.operation("dequantise", (pooled,), z, 16, factors=(1, 0, 0))
    plan.group(0, 1, 2)
    plan.group(1, 2, 1, in_order=True)
    plan.group(3, 1, 1)
    return plan.to_bytes()
