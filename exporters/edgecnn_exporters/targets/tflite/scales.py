"""Scales that TFLite's kernels compute with; an operator with others is written in float.

Found by trying, with ai-edge-litert 2.3. Such scales come of a clip to a sliver of what is summed,
or of a layer whose values all but vanish beside its neighbours'.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.targets.tflite.lowering import Lowering

# XNNPACK refuses the whole file where input scale x weight scale / output scale is as much.
LARGEST_OF_PRODUCT = 2.0**8
# TFLite's own ADD ends the process where input scale / output scale is as much.
LARGEST_OF_SUM = 2.0**19


def has_product_scales(low: Lowering, node: ir.Node) -> bool:
    """Whether a Conv, ConvTranspose or Gemm with integer weights has scales for its kernel."""
    source, weight = node.inputs[:2]
    assert source is not None
    assert weight is not None
    integers = low.integers(weight)
    assert integers is not None
    units = low.encoding(source).scale * np.asarray(integers.scale, np.float64)
    return bool(units.max() / low.encoding(node.outputs[0]).scale < LARGEST_OF_PRODUCT)


def has_sum_scales(low: Lowering, node: ir.Node) -> bool:
    """Whether an Add has scales for its kernel."""
    result = low.encoding(node.outputs[0]).scale
    return all(
        _scale(low, value) / result < LARGEST_OF_SUM for value in node.inputs if value is not None
    )


def _scale(low: Lowering, value: ir.Value) -> float:
    integers = low.integers(value)
    return low.encoding(value).scale if integers is None else float(integers.scale.max())
