from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from unit.exporters.gradient.cases import activations, moves, reductions, resizes
from unit.exporters.gradient.node_gradients import (
    Case,
    backward_model,
    by_differences,
    by_rule,
    by_torch,
    torch_results,
)
from unit.exporters.gradient.support import assert_near

from edgecnn_runtime.arrays import Array

CASES: list[Case] = [
    *activations.PIECEWISE,
    *activations.SMOOTH,
    *activations.ARITHMETIC,
    *moves.RESHAPES,
    *moves.JOINS,
    *moves.SLICES,
    *moves.PADS,
    *moves.REPEATS,
    *reductions.REDUCTIONS,
    *reductions.NORMS,
    *resizes.RESIZES,
]


BY_NAME = {case.name: case for case in CASES}


def upstream_of(case: Case) -> list[Array]:
    """Random gradients of the outputs that are read."""
    results = torch_results(case, [torch.tensor(each) for each in case.arrays])
    random = np.random.default_rng(5)
    return [random.standard_normal(results[i].shape).astype(np.float32) for i in case.reads]


@cache
def ours(name: str, *, dynamic: bool) -> list[Array]:
    """Gradients and results of a case, by ONNX Runtime."""
    case = BY_NAME[name]
    given = {f"x{i}": array for i, array in zip(case.wanted, case.arrays, strict=True)}
    seeds = zip(case.reads, upstream_of(case), strict=True)
    return by_rule(
        backward_model(case, dynamic=dynamic), given | {f"dy{i}": each for i, each in seeds}
    )


def test_no_two_cases_have_one_name() -> None:
    assert len(BY_NAME) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
def test_the_gradient_is_pytorchs(case: Case, dynamic: bool) -> None:
    upstream = upstream_of(case)
    exact = by_torch(case, case.arrays, upstream, torch.float64)
    alone = by_torch(case, case.arrays, upstream, torch.float32)
    made = ours(case.name, dynamic=dynamic)
    for own, truth, theirs in zip(made, exact, alone, strict=False):
        assert own.shape == truth.shape
        assert_near(own, truth, theirs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pytorchs_function_is_the_operator(case: Case) -> None:
    doubles = [torch.tensor(each, dtype=torch.float64) for each in case.arrays]
    results = ours(case.name, dynamic=True)[len(case.arrays) :]
    for own, truth in zip(results, torch_results(case, doubles), strict=True):
        np.testing.assert_allclose(own, truth.numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.has_reference], ids=lambda case: case.name
)
def test_pytorchs_gradient_is_the_slope_of_onnxs_own_definition(case: Case) -> None:
    upstream = upstream_of(case)
    exact = by_torch(case, case.arrays, upstream, torch.float64)
    random = np.random.default_rng(6)
    for _ in range(2):
        directions = [random.standard_normal(each.shape) for each in case.arrays]
        found = by_differences(case, upstream, directions)
        for slope, gradient, direction in zip(found, exact, directions, strict=True):
            along = gradient * direction
            allowed = (2e-3 if case.rounds else 1e-6) * (float(np.abs(along).sum()) + 1e-3)
            assert slope == pytest.approx(float(along.sum()), rel=0, abs=allowed)
