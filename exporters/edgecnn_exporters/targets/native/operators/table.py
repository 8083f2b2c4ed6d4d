"""Table of all ONNX operators that a plan can hold."""

from __future__ import annotations

from collections.abc import Mapping

from edgecnn_exporters.targets.native.borders import dequantise, quantise
from edgecnn_exporters.targets.native.operators import (
    elementwise,
    joining,
    moving,
    normalising,
    padding,
    pooling,
    products,
    resizing,
    transposed,
)
from edgecnn_exporters.targets.native.reading import Operator

OPERATORS: Mapping[str, Operator] = {
    "QuantizeLinear": quantise,
    "DequantizeLinear": dequantise,
    **products.OPERATORS,
    **elementwise.OPERATORS,
    **pooling.OPERATORS,
    **joining.OPERATORS,
    **moving.OPERATORS,
    **resizing.OPERATORS,
    **padding.OPERATORS,
    **normalising.OPERATORS,
    **transposed.OPERATORS,
}
