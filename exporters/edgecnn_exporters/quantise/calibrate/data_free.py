"""Data-free calibration: ranges and biases from batch normalisation alone.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction". The
weaker choice: a hundred images describe a network's inputs better than its own statistics.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.collect import CalibrationStatistics, ChannelStatistics
from edgecnn_exporters.quantise.calibrate.propagate import (
    Channels,
    by_output,
    elements_met,
    propagate,
)
from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.calibrate.statistics import TensorStatistics
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.qdq import Numbers, bias_of
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_runtime.arrays import Float32, Float64
from edgecnn_runtime.encoding import Range


def calibrate_data_free(
    model: ir.Model, plan: QuantisationPlan, inputs: Range
) -> CalibrationStatistics:
    """Calibration of the float network from its batch normalisation alone.

    Args:
        inputs: of the network's input, which follows from its preprocessing.

    Raises:
        CalibrationFailed: as `propagate` says.
    """
    channels = propagate(model.graph, inputs)
    products = [
        str(node.outputs[0].name)
        for node in model.graph
        if plan.integer.get(str(node.name)) is Role.PRODUCT
    ]
    return CalibrationStatistics(
        {name: _statistics(channels[name]) for name in plan.sources},
        {
            name: ChannelStatistics(
                channels[name].low.astype(np.float32), channels[name].high.astype(np.float32)
            )
            for name in products
        },
        0,
    )


def correct_data_free(
    model: ir.Model, plan: QuantisationPlan, numbers: Numbers, inputs: Range
) -> dict[str, Float32]:
    """Bias correction without samples, for the shift of the mean output by rounded weights.

    ``b' = b + (W - Wq) E[x]``, summed over the kernel (section 4.2.1). Padding and what the
    activations' own rounding shifts are left out.

    Returns:
        (channels,), by the name of each integer product.
    """
    channels = propagate(model.graph, inputs)
    biases = {}
    for node in model.graph:
        name = str(node.name)
        if plan.integer.get(name) is not Role.PRODUCT:
            continue
        error = by_output(node, weight_of(node) - numbers.weights[name].dequantise()).sum(axis=2)
        shift = _weighted(node, error, channels)
        bias = bias_of(node)
        biases[name] = (shift if bias is None else shift + bias).astype(np.float32)
    return biases


def _weighted(node: ir.Node, error: Float64, channels: Mapping[str, Channels]) -> Float64:
    """(out,), a weight's error (out, in / group) times the means of what the product reads."""
    source = node.inputs[0]
    assert source is not None
    groups = node.attributes.get_int("group", 1)
    outputs, inputs = error.shape
    mean = np.broadcast_to(channels[str(source.name)].mean, inputs * groups).reshape(groups, inputs)
    shift: Float64 = (error * np.repeat(mean, outputs // groups, axis=0)).sum(axis=1)
    return elements_met(node) * shift


def _statistics(channels: Channels) -> TensorStatistics:
    """Tensor statistics of all channels together."""
    statistics = TensorStatistics()
    statistics.observe(channels.draws.astype(np.float32))
    statistics.reach(float(channels.low.min()), float(channels.high.max()))
    return statistics
