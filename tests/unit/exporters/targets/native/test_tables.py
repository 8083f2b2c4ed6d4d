"""Sums and products of 8-bit values against ONNX Runtime's kernels, for every pair of integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx.parser
import pytest

from edgecnn_exporters.targets.native.tables import product_of, sum_of
from edgecnn_runtime.arrays import Array, UInt8
from edgecnn_runtime.encoding import Encoding
from edgecnn_runtime.engines.onnxruntime import open_session, session_options

EVERY = np.arange(256, dtype=np.uint8)
FIRST, SECOND = (each.reshape(-1) for each in np.meshgrid(EVERY, EVERY))
Kernel = Callable[[Array, Encoding, Array, Encoding, Encoding], UInt8]


def kernel_answers(operator: str, encodings: list[Encoding]) -> np.ndarray:
    proto = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]> g (uint8[N] a, uint8[N] b, '
        "float as, uint8 az, float bs, uint8 bz, float ys, uint8 yz) => (uint8[N] y) "
        f"{{ y = com.microsoft.{operator} (a, as, az, b, bs, bz, ys, yz) }}"
    )
    session = open_session(proto.SerializeToString(), session_options(1))
    feeds: dict[str, np.ndarray] = {"a": FIRST, "b": SECOND}
    for name, encoding in zip("aby", encodings, strict=True):
        feeds[f"{name}s"] = np.array(encoding.scale, np.float32)
        feeds[f"{name}z"] = np.array(encoding.zero_point, np.uint8)
    (answers,) = session.run(["y"], feeds)
    return np.asarray(answers)


@pytest.mark.parametrize(
    ("operator", "table"), [("QLinearAdd", sum_of), ("QLinearMul", product_of)]
)
def test_every_pair_of_integers_gives_the_kernel_s_result(operator: str, table: Kernel) -> None:
    random = np.random.default_rng(0)
    for _ in range(40):
        scales = random.uniform(0.001, 0.1, 3)
        zeros = random.integers(0, 256, 3).tolist()
        scales[2] = scales[0] * scales[1] * 128 if operator == "QLinearMul" else scales[2]
        encodings = [
            Encoding(float(np.float32(scale)), zero)
            for scale, zero in zip(scales, zeros, strict=True)
        ]
        found = table(FIRST, encodings[0], SECOND, encodings[1], encodings[2])
        np.testing.assert_equal(found, kernel_answers(operator, encodings))
