"""Scale of an activation, as the biases of the sums that read it were quantised with.

Integer kernels add a bias in units of s_x · s_w, and take these from the input and the weight: an
activation whose scale is changed afterwards changes every bias of its readers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point
from edgecnn_exporters.diagnose.causes.channels import MATCH, misfit
from edgecnn_exporters.diagnose.parametrisation import counterparts
from edgecnn_exporters.diagnose.weights import input_of, reals, stored_constant
from edgecnn_exporters.passes.graph import is_operator

# Relative difference of two float32 that are the same number.
SAME = 1e-3


def declared_scales(
    reference: ir.Model, candidate: ir.Model, points: Mapping[str, Point]
) -> dict[str, float]:
    """Scale of each value that its readers' biases declare, where it is not the value's own.

    Only readers whose weight and bias are the original's count: wrong ones declare nothing.
    """
    by_read = {point.read: point for point in points.values() if point.encoding is not None}
    declared: dict[str, list[float]] = {}
    for name, their in counterparts(reference.graph, candidate.graph).items():
        source = input_of(their, 0)
        point = None if source is None else by_read.get(str(source.name))
        own = next(node for node in reference.graph if node.name == name)
        scale = _declared(own, their)
        if point is not None and scale is not None:
            declared.setdefault(point.name, []).append(scale)
    return {
        name: scales[0]
        for name, scales in declared.items()
        if (encoding := points[name].encoding) is not None
        and np.allclose(scales, scales[0], rtol=SAME)
        and not np.isclose(scales[0], encoding.back_scale, rtol=SAME)
    }


def _declared(own: ir.Node, their: ir.Node) -> float | None:
    bias, weight = (stored_constant(input_of(their, index)) for index in (2, 1))
    originals = [reals(input_of(own, index)) for index in (2, 1)]
    if bias is None or weight is None or bias.scale is None or weight.scale is None:
        return None
    if not is_operator(their, "Conv", "Gemm") or bias.scale.size != weight.scale.size:
        return None
    for original, stored in zip(originals, (bias, weight), strict=True):
        if original is None or original.shape != stored.reals.shape or not original.any():
            return None
        if misfit(stored.reals, original) > MATCH:
            return None
    ratio = bias.scale.ravel() / weight.scale.ravel()
    is_one = np.ptp(ratio) <= SAME * float(np.abs(ratio).max())
    return float(np.median(ratio)) if is_one else None
