"""Threads of the engine native where none are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from native_plans import brightest_plan

import edgecnn_native
from edgecnn_runtime.engines import plan_work
from edgecnn_runtime.engines.plan_work import multiply_adds, usual_threads


def test_multiply_adds_are_those_that_the_library_counts() -> None:
    plan = brightest_plan()
    with edgecnn_native.Model(plan) as model:
        inputs = [np.zeros((1, *tensor.shape), tensor.dtype) for tensor in model.inputs]
        _, layers = model.profile(inputs)
    assert multiply_adds(plan) == sum(layer.multiplications for layer in layers) > 0


@pytest.mark.parametrize(
    ("work", "cores", "threads"),
    [(0, 4, 1), (39e6, 4, 1), (41e6, 4, 2), (41e6, 1, 1), (300e6, 2, 2), (4e9, 4, 4)],
)
def test_a_thread_is_worth_20_million_multiply_adds(
    work: float, cores: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_work, "multiply_adds", lambda plan: work)
    monkeypatch.setattr(plan_work, "physical_cores", lambda: cores)
    assert usual_threads(b"") == threads


def test_bytes_that_are_no_plan_have_no_work() -> None:
    plan = brightest_plan()
    damaged = [b"", b"x" * 63, plan[:200], plan[:24] + b"\xff" * 8 + plan[32:]]
    assert [multiply_adds(each) for each in damaged] == [0, 0, 0, 0]
    # A wrong output and no groups: the library refuses it, nothing here raises.
    begin = 64 + 64 * int.from_bytes(plan[24:28], "little")
    spoilt = bytearray(plan)
    for at in range(begin, len(plan) - 128, 128):
        spoilt[at + 12 : at + 16] = b"\xff" * 4
        spoilt[at + 48 : at + 52] = b"\0" * 4
    assert multiply_adds(bytes(spoilt)) >= 0
