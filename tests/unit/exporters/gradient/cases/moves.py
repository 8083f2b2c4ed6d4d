"""Cases of operators that move, repeat or cut values."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as f
from unit.exporters.gradient.node_gradients import Case, Fixed, fixed, normal, single

LAST = 2**63 - 1
SHUFFLE = np.array([2, 0, 3, 1])
TWICE = np.array([[2, 0, -1], [1, 2, 2]])


def wrapped(x: torch.Tensor) -> torch.Tensor:
    return f.pad(x, (2, 1, 1, 0), mode="circular")


RESHAPES = [
    Case("identity", "Identity", [normal(3, 4)], lambda x: x * 1),
    Case("cast to floats", "Cast", [normal(3, 4)], lambda x: x * 1, {"to": 1}, rounds=True),
    Case("dropout outside of training", "Dropout", [normal(3, 4)], lambda x: x * 1),
    Case("flatten", "Flatten", [normal(3, 2, 2, 2)], lambda x: x.flatten(1)),
    Case("flatten late", "Flatten", [normal(3, 2, 4)], lambda x: x.reshape(6, 4), {"axis": 2}),
    Case("reshape", "Reshape", [normal(3, 4, 2), fixed(-1, 2, 4)], lambda x: x.reshape(-1, 2, 4)),
    Case("squeeze", "Squeeze", [normal(3, 4, 1, 1), fixed(2, 3)], lambda x: x.flatten(1)),
    Case("unsqueeze", "Unsqueeze", [normal(3, 4), fixed(-1, 1)], lambda x: x[:, None, :, None]),
    Case(
        "transpose",
        "Transpose",
        [normal(3, 2, 4, 5)],
        lambda x: x.permute(0, 2, 3, 1),
        {"perm": [0, 2, 3, 1]},
    ),
    Case("transpose by default", "Transpose", [normal(3, 2, 4)], lambda x: x.permute(2, 1, 0)),
    Case(
        "depth to space",
        "DepthToSpace",
        [normal(3, 8, 2, 3)],
        lambda x: x.reshape(3, 2, 2, 2, 2, 3).permute(0, 3, 4, 1, 5, 2).reshape(3, 2, 4, 6),
        {"blocksize": 2},
    ),
    Case(
        "pixel shuffle",
        "DepthToSpace",
        [normal(3, 8, 2, 3)],
        lambda x: f.pixel_shuffle(x, 2),
        {"blocksize": 2, "mode": "CRD"},
    ),
    Case(
        "space to depth",
        "SpaceToDepth",
        [normal(3, 2, 4, 6)],
        lambda x: x.reshape(3, 2, 2, 2, 3, 2).permute(0, 3, 5, 1, 2, 4).reshape(3, 8, 2, 3),
        {"blocksize": 2},
    ),
]

JOINS = [
    Case(
        "concat of channels",
        "Concat",
        [normal(3, 2, 2), normal(3, 1, 2), normal(3, 3, 2)],
        lambda *parts: torch.cat(parts, 1),
        {"axis": 1},
    ),
    Case(
        "concat with a constant",
        "Concat",
        [normal(3, 2), Fixed(np.ones((3, 1), np.float32)), normal(3, 3)],
        lambda a, b: torch.cat([a, torch.ones(3, 1, dtype=a.dtype), b], -1),
        {"axis": -1},
    ),
    Case(
        "concat of images",
        "Concat",
        [normal(3, 2), normal(2, 2), normal(3, 2)],
        lambda *parts: torch.cat(parts, 0),
        {"axis": 0},
    ),
    Case(
        "split in equal parts",
        "Split",
        [normal(3, 6, 2)],
        lambda x: x.chunk(3, 1),
        {"axis": 1, "num_outputs": 3},
        outputs=3,
    ),
    Case(
        "split with a smaller end",
        "Split",
        [normal(3, 5)],
        lambda x: x.split(3, -1),
        {"axis": -1, "num_outputs": 2},
        outputs=2,
    ),
    Case(
        "split in sizes of which one is read",
        "Split",
        [normal(3, 6, 2), fixed(1, 3, 2)],
        lambda x: x.split([1, 3, 2], 1),
        {"axis": 1},
        outputs=3,
        read=(1,),
    ),
]

SLICES = [
    Case(
        "slice",
        "Slice",
        [normal(3, 6, 5), fixed(1, 2), fixed(4, LAST), fixed(1, 2)],
        lambda x: x[:, 1:4, 2:],
    ),
    Case(
        "slice from the end",
        "Slice",
        [normal(3, 6), fixed(-4), fixed(-1), fixed(-1)],
        lambda x: x[:, -4:-1],
    ),
    Case(
        "slice with steps",
        "Slice",
        [normal(3, 2, 6, 7), fixed(0, 1), fixed(LAST, 6), fixed(2, 3), fixed(2, 2)],
        lambda x: x[:, :, ::2, 1:6:2],
    ),
    Case(
        "slice with a wide step",
        "Slice",
        [normal(3, 8), fixed(2), fixed(LAST), fixed(1), fixed(5)],
        lambda x: x[:, 2::5],
    ),
    Case(
        "slice backwards",
        "Slice",
        [normal(3, 5), fixed(-1), fixed(-(2**63)), fixed(1), fixed(-1)],
        lambda x: x.flip(1),
    ),
    Case(
        "slice backwards with a step",
        "Slice",
        [normal(3, 2, 7), fixed(5), fixed(0), fixed(2), fixed(-2)],
        lambda x: x[:, :, [5, 3, 1]],
    ),
    Case(
        "slice beyond the ends",
        "Slice",
        [normal(3, 5), fixed(-99), fixed(99), fixed(1)],
        lambda x: x * 1,
    ),
    Case(
        "slice of all axes",
        "Slice",
        [normal(3, 5, 4), fixed(0, 1, 1), fixed(LAST, 3, 2)],
        lambda x: x[:, 1:3, 1:2],
    ),
    Case(
        "slice of nothing of the batch",
        "Slice",
        [normal(3, 5), fixed(0, 2), fixed(LAST, 4), fixed(0, 1)],
        lambda x: x[:, 2:4],
    ),
]

PADS = [
    Case(
        "pad",
        "Pad",
        [normal(3, 2, 3, 4), fixed(0, 0, 1, 2, 0, 0, 0, 1)],
        lambda x: f.pad(x, (2, 1, 1, 0)),
    ),
    Case(
        "pad of some axes with a number",
        "Pad",
        [normal(3, 4, 3), fixed(1, 0, 2, 1), single(1.5), fixed(-1, 1)],
        lambda x: f.pad(x, (1, 2, 0, 1), value=1.5),
    ),
    Case(
        "crop",
        "Pad",
        [normal(3, 6, 5), fixed(0, -1, 2, 0, -2, -1)],
        lambda x: f.pad(x[:, 1:-2, :-1], (2, 0)),
        has_reference=False,  # onnx's evaluator has no negative pads
    ),
    Case(
        "pad by reflection",
        "Pad",
        [normal(3, 2, 4, 5), fixed(0, 0, 1, 3, 0, 0, 2, 0)],
        lambda x: f.pad(x, (3, 0, 1, 2), mode="reflect"),
        {"mode": "reflect"},
    ),
    Case(
        "pad by reflection of all but one",
        "Pad",
        [normal(3, 2, 3, 3), fixed(0, 0, 2, 2, 0, 0, 2, 2)],
        lambda x: f.pad(x, (2, 2, 2, 2), mode="reflect"),
        {"mode": "reflect"},
    ),
    Case(
        "pad with the edge",
        "Pad",
        [normal(3, 2, 2, 3), fixed(0, 0, 3, 1, 0, 0, 1, 0)],
        lambda x: f.pad(x, (1, 0, 3, 1), mode="replicate"),
        {"mode": "edge"},
    ),
    Case(
        "pad in a circle",
        "Pad",
        [normal(3, 2, 3, 4), fixed(0, 0, 1, 2, 0, 0, 0, 1)],
        wrapped,
        {"mode": "wrap"},
        opset=19,
    ),
]

REPEATS = [
    Case(
        "expand",
        "Expand",
        [normal(3, 4, 1, 1), fixed(1, 1, 2, 3)],
        lambda x: x.expand(3, 4, 2, 3),
    ),
    Case(
        "expand to more axes", "Expand", [normal(1, 4), fixed(2, 5, 4)], lambda x: x.expand(2, 5, 4)
    ),
    Case("tile", "Tile", [normal(3, 2, 4), fixed(1, 3, 2)], lambda x: x.tile(1, 3, 2)),
    Case("tile of images", "Tile", [normal(3, 2), fixed(2, 1)], lambda x: x.tile(2, 1)),
    Case("tile once", "Tile", [normal(3, 2), fixed(1, 1)], lambda x: x * 1),
    Case(
        "channel shuffle",
        "Gather",
        [normal(3, 4, 2), Fixed(SHUFFLE)],
        lambda x: x[:, SHUFFLE],
        {"axis": 1},
    ),
    Case(
        "gather of some",
        "Gather",
        [normal(3, 5), fixed(4, 1)],
        lambda x: x[:, [4, 1]],
        {"axis": -1},
    ),
    Case(
        "gather of one",
        "Gather",
        [normal(3, 5, 2), Fixed(np.array(-2))],
        lambda x: x[:, -2],
        {"axis": 1},
    ),
    Case(
        "gather with repeats",
        "Gather",
        [normal(3, 4, 2), Fixed(TWICE)],
        lambda x: x[:, TWICE],
        {"axis": 1},
    ),
    Case(
        "gather of points",
        "GatherND",
        [normal(4, 5, 3), Fixed(np.array([[0, 1], [3, 4], [0, 1], [2, -1]]))],
        lambda x: x[[0, 3, 0, 2], [1, 4, 1, -1]],
        dynamic=False,
    ),
    Case(
        "gather of rows",
        "GatherND",
        [normal(4, 5, 3), Fixed(np.array([[[3], [0]], [[1], [2]]]))],
        lambda x: x[torch.tensor([[3, 0], [1, 2]])],
        dynamic=False,
    ),
]
