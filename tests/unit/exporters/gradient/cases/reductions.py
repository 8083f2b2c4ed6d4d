"""Cases of reductions and normalisations."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch.nn import functional as f
from unit.exporters.gradient.node_gradients import Case, Fixed, apart, away, fixed, normal, positive

L2 = torch.linalg.vector_norm
L1 = partial(L2, ord=1)


def responses(x: torch.Tensor, below: int, above: int, alpha: float, beta: float) -> torch.Tensor:
    """LRN over channels from `below` before to `above` behind, bias 1.5."""
    padded = f.pad(x * x, (0, 0, 0, 0, below, above))
    size = below + above + 1
    sums = sum(padded[:, i : i + x.shape[1]] for i in range(size))
    return x / (1.5 + alpha / size * sums) ** beta


REDUCTIONS = [
    Case(
        "mean of pixels",
        "ReduceMean",
        [normal(3, 4, 2, 3), fixed(2, 3)],
        lambda x: x.mean((2, 3), keepdim=True),
    ),
    Case(
        "mean of pixels without axes left",
        "ReduceMean",
        [normal(3, 4, 2, 3), fixed(-1, -2)],
        lambda x: x.mean((2, 3)),
        {"keepdims": 0},
    ),
    Case("mean of all", "ReduceMean", [normal(3, 4)], lambda x: x.mean(), {"keepdims": 0}),
    Case(
        "mean of images",
        "ReduceMean",
        [normal(3, 4), fixed(0)],
        lambda x: x.mean(0),
        {"keepdims": 0},
    ),
    Case(
        "mean of no axes",
        "ReduceMean",
        [normal(3, 4)],
        lambda x: x * 1,
        {"noop_with_empty_axes": 1},
    ),
    Case(
        "mean as of opset 17",
        "ReduceMean",
        [normal(3, 4, 2)],
        lambda x: x.mean(1),
        {"axes": [1], "keepdims": 0},
        opset=17,
    ),
    Case("sum of channels", "ReduceSum", [normal(3, 4, 2), fixed(1)], lambda x: x.sum(1, True)),
    Case("sum of all", "ReduceSum", [normal(3, 4)], lambda x: x.sum((0, 1), True)),
    Case(
        "largest of pixels",
        "ReduceMax",
        [apart(3, 4, 2, 2), fixed(2, 3)],
        lambda x: x.amax((2, 3)),
        {"keepdims": 0},
    ),
    Case("least", "ReduceMin", [apart(3, 4, 2), fixed(1)], lambda x: x.amin(1, True)),
    Case("sum of sizes", "ReduceL1", [away(3, 4), fixed(1)], lambda x: L1(x, dim=1, keepdim=True)),
    Case("length", "ReduceL2", [normal(3, 4), fixed(1)], lambda x: L2(x, dim=1, keepdim=True)),
    Case(
        "length without axes left",
        "ReduceL2",
        [normal(3, 4, 2), fixed(1)],
        lambda x: L2(x, dim=1),
        {"keepdims": 0},
    ),
    Case(
        "sum of squares",
        "ReduceSumSquare",
        [normal(3, 4, 2), fixed(1, 2)],
        lambda x: (x * x).sum((1, 2)),
        {"keepdims": 0},
    ),
    Case(
        "logarithm of a sum",
        "ReduceLogSum",
        [positive(3, 4), fixed(1)],
        lambda x: x.sum(1, True).log(),
    ),
    Case(
        "logarithm of a sum of exponentials",
        "ReduceLogSumExp",
        [normal(3, 4, 2), fixed(1)],
        lambda x: x.logsumexp(1),
        {"keepdims": 0},
    ),
    Case(
        "global average",
        "GlobalAveragePool",
        [normal(3, 4, 2, 3)],
        lambda x: x.mean((2, 3), True),
    ),
]

NORMS = [
    Case(
        "response norm",
        "LRN",
        [normal(3, 6, 2, 2)],
        lambda x: responses(x, 2, 2, 0.3, 0.75),
        {"size": 5, "alpha": 0.3, "bias": 1.5},
        # onnx's evaluator (1.23) takes the number of images for that of channels.
        has_reference=False,
    ),
    Case(
        "response norm wider than the channels",
        "LRN",
        [normal(3, 2, 2, 2)],
        lambda x: responses(x, 3, 3, 0.3, 0.75),
        {"size": 7, "alpha": 0.3, "bias": 1.5},
        has_reference=False,
    ),
    Case(
        "instance norm",
        "InstanceNormalization",
        [normal(3, 4, 3, 2), normal(4), normal(4)],
        lambda x, scale, bias: f.instance_norm(x, None, None, scale, bias, eps=0.01),
        {"epsilon": 0.01},
    ),
    Case(
        "instance norm of a line",
        "InstanceNormalization",
        [normal(3, 4, 5), normal(4), normal(4)],
        lambda x, scale, bias: f.instance_norm(x, None, None, scale, bias),
    ),
    Case(
        "layer norm",
        "LayerNormalization",
        [normal(3, 4, 6), normal(6), normal(6)],
        lambda x, scale, bias: f.layer_norm(x, (6,), scale, bias),
        {"axis": -1},
    ),
    Case(
        "layer norm of several axes",
        "LayerNormalization",
        [normal(3, 4, 2, 3), normal(4, 2, 3), normal(4, 2, 3)],
        lambda x, scale, bias: f.layer_norm(x, (4, 2, 3), scale, bias, 0.02),
        {"axis": 1, "epsilon": 0.02},
    ),
    Case(
        "layer norm without a bias",
        "LayerNormalization",
        [normal(3, 4, 6), Fixed(np.ones(6, np.float32))],
        lambda x: f.layer_norm(x, (6,)),
    ),
    Case(
        "group norm",
        "GroupNormalization",
        [normal(3, 4, 3, 2), normal(4), normal(4)],
        lambda x, scale, bias: f.group_norm(x, 2, scale, bias, 0.01),
        {"num_groups": 2, "epsilon": 0.01},
        opset=21,
        rounds=True,
    ),
]
