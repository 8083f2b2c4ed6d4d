"""Cases of element-wise operators of one operand."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as f
from unit.exporters.gradient.node_gradients import (
    Case,
    Fixed,
    apart,
    away,
    normal,
    positive,
    single,
)

SHAPE = (3, 2, 4)
SIX = (0.0, 6.0)
INFINITE = float("inf")


def selu(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, 1.5 * x, 1.5 * 0.8 * (torch.exp(x) - 1))


def elu_below_zero(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, -0.7 * (torch.exp(x) - 1))


PIECEWISE = [
    Case("relu", "Relu", [away(*SHAPE)], torch.relu),
    Case("relu of a vector", "Relu", [away(5)], torch.relu),
    Case(
        "clip to six",
        "Clip",
        [away(*SHAPE, kinks=SIX, width=9.0), single(0), single(6)],
        lambda x: x.clamp(0, 6),
    ),
    Case("clip from below", "Clip", [away(*SHAPE), single(0)], lambda x: x.clamp(min=0)),
    Case("clip from above", "Clip", [away(*SHAPE), None, single(0)], lambda x: x.clamp(max=0)),
    Case("clip without bounds", "Clip", [away(*SHAPE)], lambda x: x * 1),
    Case(
        "clip with infinite bounds",
        "Clip",
        [away(*SHAPE, kinks=(-1.0,)), single(-1), single(INFINITE)],
        lambda x: x.clamp(-1, INFINITE),
    ),
    Case(
        "clip with crossed bounds",
        "Clip",
        [away(*SHAPE, kinks=(2.0, 1.0)), single(2), single(1)],
        lambda x: x.clamp(2, 1),
    ),
    Case(
        "leaky relu",
        "LeakyRelu",
        [away(*SHAPE)],
        lambda x: f.leaky_relu(x, 0.2),
        {"alpha": 0.2},
    ),
    Case("leaky relu by default", "LeakyRelu", [away(*SHAPE)], lambda x: f.leaky_relu(x, 0.01)),
    Case(
        "leaky relu that falls",
        "LeakyRelu",
        [away(*SHAPE)],
        lambda x: f.leaky_relu(x, -0.5),
        {"alpha": -0.5},
    ),
    Case(
        "prelu of channels",
        "PRelu",
        [away(3, 4, 2, 2), away(4, 1, 1)],
        lambda x, slope: torch.where(x >= 0, x, slope * x),
    ),
    Case(
        "prelu of one slope",
        "PRelu",
        [away(3, 4, 2), away(1)],
        lambda x, slope: torch.where(x >= 0, x, slope * x),
    ),
    Case(
        "prelu of a slope an element",
        "PRelu",
        [away(3, 4), away(4)],
        lambda x, slope: torch.where(x >= 0, x, slope * x),
    ),
    Case(
        "thresholded relu",
        "ThresholdedRelu",
        [away(*SHAPE, kinks=(0.5,))],
        lambda x: torch.where(x > 0.5, x, 0 * x),
        {"alpha": 0.5},
    ),
    Case(
        "hard sigmoid as onnx's default",
        "HardSigmoid",
        [away(*SHAPE, kinks=(-2.5, 2.5), width=4.0)],
        lambda x: (0.2 * x + 0.5).clamp(0, 1),
    ),
    Case(
        "hard sigmoid as pytorch's",
        "HardSigmoid",
        [away(*SHAPE, kinks=(-3.0, 3.0), width=5.0)],
        f.hardsigmoid,
        {"alpha": 1 / 6, "beta": 0.5},
    ),
    Case("hard swish", "HardSwish", [away(*SHAPE, kinks=(-3.0, 3.0), width=5.0)], f.hardswish),
    Case("abs", "Abs", [away(*SHAPE)], torch.abs),
]

SMOOTH = [
    Case("sigmoid", "Sigmoid", [normal(*SHAPE)], torch.sigmoid),
    Case("tanh", "Tanh", [normal(*SHAPE)], torch.tanh),
    Case("softplus", "Softplus", [away(*SHAPE, width=9.0)], lambda x: torch.log1p(torch.exp(x))),
    Case("softsign", "Softsign", [away(*SHAPE)], f.softsign),
    Case("swish", "Swish", [normal(*SHAPE)], f.silu, opset=24),
    Case(
        "swish of a slope",
        "Swish",
        [normal(*SHAPE)],
        lambda x: x * torch.sigmoid(1.7 * x),
        {"alpha": 1.7},
        opset=24,
    ),
    Case("mish", "Mish", [normal(*SHAPE)], f.mish),
    Case("elu", "Elu", [away(*SHAPE)], lambda x: f.elu(x, 1.3), {"alpha": 1.3}),
    Case("elu of a negative factor", "Elu", [away(*SHAPE)], elu_below_zero, {"alpha": -0.7}),
    Case("selu", "Selu", [away(*SHAPE)], torch.selu),
    Case("selu of factors", "Selu", [away(*SHAPE)], selu, {"alpha": 0.8, "gamma": 1.5}),
    Case("celu", "Celu", [away(*SHAPE)], lambda x: torch.celu(x, 0.6), {"alpha": 0.6}),
    Case("gelu", "Gelu", [normal(*SHAPE)], f.gelu, opset=20, rounds=True),
    Case(
        "gelu by tanh",
        "Gelu",
        [normal(*SHAPE)],
        lambda x: f.gelu(x, approximate="tanh"),
        {"approximate": "tanh"},
        opset=20,
    ),
    Case("erf", "Erf", [normal(*SHAPE)], torch.erf, rounds=True),
    Case("exp", "Exp", [normal(*SHAPE)], torch.exp),
    Case("log", "Log", [positive(*SHAPE)], torch.log),
    Case("sqrt", "Sqrt", [positive(*SHAPE)], torch.sqrt),
    Case("reciprocal", "Reciprocal", [away(*SHAPE, kinks=(0.0, 0.1, -0.1))], torch.reciprocal),
    Case("neg", "Neg", [normal(*SHAPE)], torch.neg),
    Case("sin", "Sin", [normal(*SHAPE)], torch.sin),
    Case("cos", "Cos", [normal(*SHAPE)], torch.cos),
    Case("square", "Pow", [normal(*SHAPE), single(2)], lambda x: x**2),
    Case("cube", "Pow", [normal(*SHAPE), single(3)], lambda x: x**3),
    Case("inverse root", "Pow", [positive(*SHAPE), single(-0.5)], lambda x: x**-0.5),
    Case("power of zero", "Pow", [normal(*SHAPE), single(0)], lambda x: x**0),
    Case(
        "powers by channel",
        "Pow",
        [positive(3, 2, 1), Fixed(np.array([0.0, 1.0, 2.5, 2.0], np.float32))],
        lambda x: x ** torch.tensor([0.0, 1.0, 2.5, 2.0]),
    ),
    Case("softmax of the last axis", "Softmax", [normal(3, 5)], lambda x: torch.softmax(x, -1)),
    Case(
        "softmax of channels",
        "Softmax",
        [normal(3, 4, 2, 2)],
        lambda x: torch.softmax(x, 1),
        {"axis": 1},
    ),
    Case(
        "log softmax",
        "LogSoftmax",
        [normal(3, 5)],
        lambda x: torch.log_softmax(x, -1),
    ),
    Case(
        "log softmax of channels",
        "LogSoftmax",
        [normal(3, 4, 2)],
        lambda x: torch.log_softmax(x, 1),
        {"axis": -2},
    ),
]

ARITHMETIC = [
    Case("add", "Add", [normal(3, 4), normal(3, 4)], torch.add),
    Case("add of channels", "Add", [normal(3, 4, 2, 2), normal(4, 1, 1)], torch.add),
    Case("add to channels", "Add", [normal(1, 4, 1), normal(3, 4, 2)], torch.add),
    Case("add of a number", "Add", [normal(3, 4), normal()], torch.add),
    Case("sub", "Sub", [normal(3, 4, 2), normal(4, 1)], torch.sub),
    Case("sub from a constant", "Sub", [single(1), normal(3, 4)], lambda x: 1 - x),
    Case("mul", "Mul", [normal(3, 4), normal(3, 4)], torch.mul),
    Case("mul of both broadcast", "Mul", [normal(3, 1, 2), normal(4, 1)], torch.mul),
    Case("squeeze and excite", "Mul", [normal(3, 4, 2, 2), normal(3, 4, 1, 1)], torch.mul),
    Case("div", "Div", [normal(3, 4), positive(3, 4)], torch.div),
    Case("div of channels", "Div", [normal(3, 4, 2), positive(4, 1)], torch.div),
    Case("div by a constant", "Div", [normal(3, 4), single(3)], lambda x: x / 3),
    Case("sum of one", "Sum", [normal(3, 4)], lambda x: x * 1),
    Case(
        "sum of three",
        "Sum",
        [normal(3, 4, 2), normal(4, 1), normal(1)],
        lambda a, b, c: a + b + c,
    ),
    Case(
        "mean of three",
        "Mean",
        [normal(3, 4, 2), normal(4, 1), normal(3, 4, 2)],
        lambda a, b, c: (a + b + c) / 3,
    ),
    Case("max", "Max", [apart(3, 4), apart(3, 4) + 0.03], torch.maximum),
    Case("min of channels", "Min", [apart(3, 4, 2), apart(4, 1) + 0.03], torch.minimum),
    Case(
        "max of three",
        "Max",
        [apart(3, 4), apart(3, 4) + 0.03, apart(4) - 0.02],
        lambda a, b, c: torch.maximum(torch.maximum(a, b), c),
    ),
    Case("max with a constant", "Max", [away(3, 4), single(0)], lambda x: x.clamp(min=0)),
    Case(
        "where",
        "Where",
        [Fixed(np.array([True, False, True, False])), normal(3, 4), normal(3, 4)],
        lambda a, b: torch.where(torch.tensor([True, False, True, False]), a, b),
    ),
    Case(
        "where of broadcast",
        "Where",
        [Fixed(np.array([[True], [False]])), normal(3, 1, 4), normal(1, 2, 1)],
        lambda a, b: torch.where(torch.tensor([[True], [False]]), a, b),
    ),
]
