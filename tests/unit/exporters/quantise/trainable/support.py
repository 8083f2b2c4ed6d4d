"""Small networks quantised within the ranges of one batch, for training."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.halves import part_halves
from edgecnn_exporters.quantise.calibrate.ranges import encode_groups, quantise_weights
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan, make_plan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import Numbers
from edgecnn_runtime.encoding import Range


def quantised(
    model: ir.Model, x: np.ndarray, keep_float: tuple[str, ...] = (), bits: int = 8
) -> tuple[QuantisationPlan, Numbers]:
    """The plan of a prepared float model, and its numbers within the ranges that `x` has."""
    plan = make_plan(model.graph, keep_float)
    ranges = {}
    if plan.sources:
        values = ValueProbe(model, plan.sources).run(x)
        ranges = {name: Range(float(v.min()), float(v.max())) for name, v in values.items()}
    activations = part_halves(model.graph, plan, encode_groups(plan, ranges))
    weights = quantise_weights(model.graph, plan, activations, QuantConfig(weight_bits=bits))
    return plan, Numbers(activations, weights)
