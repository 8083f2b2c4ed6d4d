"""Gradients where a function has none: at its bends, the one that PyTorch takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as f
from unit.exporters.gradient.node_gradients import (
    Case,
    backward_model,
    by_rule,
    by_torch,
    fixed,
    single,
    torch_results,
)

from edgecnn_runtime.arrays import Array


def at(*numbers: float) -> Array:
    return np.array([numbers], np.float32)


ZEROS = at(0, 0, -1, 1)
CASES = [
    Case("relu", "Relu", [ZEROS], torch.relu),
    Case("relu6", "Clip", [at(0, 6, 3, 7), single(0), single(6)], f.relu6),
    Case("leaky relu", "LeakyRelu", [ZEROS], lambda x: f.leaky_relu(x, 0.01)),
    Case("prelu", "PRelu", [ZEROS, at(0.3)[0]], f.prelu),
    Case(
        "hard sigmoid",
        "HardSigmoid",
        [at(-3, 3, 0)],
        f.hardsigmoid,
        {"alpha": 1 / 6, "beta": 0.5},
    ),
    Case("hard swish", "HardSwish", [at(-3, 3, 0)], f.hardswish),
    Case("elu", "Elu", [ZEROS], f.elu),
    Case("celu", "Celu", [ZEROS], f.celu),
    Case("selu", "Selu", [ZEROS], torch.selu),
    Case("abs", "Abs", [ZEROS], torch.abs),
    Case("max of equal ones", "Max", [at(1, 2, 3), at(1, 3, 2)], torch.maximum),
    Case("min of equal ones", "Min", [at(1, 2, 3), at(1, 3, 2)], torch.minimum),
    Case("largest of equal ones", "ReduceMax", [at(2, 2, 1), fixed(1)], lambda x: x.amax(1, True)),
    Case("least of equal ones", "ReduceMin", [at(1, 2, 1), fixed(1)], lambda x: x.amin(1, True)),
    Case(
        "length of zeros",
        "ReduceL2",
        [at(0, 0), fixed(1)],
        lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_gradient_at_a_bend_is_pytorchs(case: Case) -> None:
    (result,) = torch_results(case, [torch.tensor(each) for each in case.arrays])
    upstream = [np.arange(1, result.numel() + 1, dtype=np.float32).reshape(result.shape)]
    feeds = {f"x{i}": each for i, each in zip(case.wanted, case.arrays, strict=True)}
    made = by_rule(backward_model(case, dynamic=False), feeds | {"dy0": upstream[0]})
    expected = by_torch(case, case.arrays, upstream, torch.float32)
    for own, theirs in zip(made, expected, strict=False):
        np.testing.assert_allclose(own, theirs, rtol=1e-6)
