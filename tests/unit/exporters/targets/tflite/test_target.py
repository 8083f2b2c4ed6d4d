"""The budget of TRANSPOSE operators that a TFLite file of an export is held to."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.targets.tflite.support import canonical, parse

from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.targets import About
from edgecnn_exporters.targets.tflite.target import TfliteTarget, TfliteTargetOptions

WEIGHT = np.random.default_rng(0).standard_normal((4, 3, 1, 1)).astype(np.float32)
# The planes are asked for in ONNX's own order, which TFLite has only after a TRANSPOSE.
TEXT = """g (float[1, 3, 6, 6] x) => (float[N, C, P] y)
{ c1 = Conv (x, w) y = Reshape (c1, planes) }"""


def turned() -> ir.Model:
    return canonical(parse(TEXT, {"w": WEIGHT, "planes": np.array([1, 4, 36])}))


@pytest.mark.parametrize(
    ("most", "is_zoo", "is_refused"),
    [
        (None, False, False),
        (None, True, True),
        (0, False, True),
        (1, False, False),
        (1, True, False),
    ],
)
def test_a_network_of_the_zoo_may_hold_none_unless_it_is_said(
    most: int | None, is_zoo: bool, is_refused: bool
) -> None:
    target = TfliteTarget(TfliteTargetOptions(most_transposes=most))
    about = About("net", is_zoo=is_zoo)
    if is_refused:
        with pytest.raises(LimitMissed, match="holds 1 TRANSPOSE operators, 0 are allowed"):
            target.translate(turned(), "fp32", about)
    else:
        assert target.translate(turned(), "fp32", about).operators["TRANSPOSE"] == 1
