"""Simulated CPU without VNNI: one layer adds pairs of u8 × s8 products in 16 bits.

A CPU with VNNI has no such mode. This computes one Conv of a QDQ graph as VPMADDUBSW does,
position by position, and everything else as ONNX Runtime does; it shares no code with the
simulation in the diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from parity.faults.planting import node_of, numbers

from edgecnn_exporters.diagnose.align import points_of
from edgecnn_exporters.diagnose.isolate import Cut
from edgecnn_exporters.diagnose.sources import OnnxCandidate
from edgecnn_runtime.arrays import Array


class SaturatingCandidate(OnnxCandidate):
    """ONNX Runtime, except for one Conv and the Relu after it."""

    def __init__(self, model: ir.Model, conv: str) -> None:
        super().__init__(model, "int8")
        self._conv = conv
        self.settings = {}

    def isolated(self, cut: Cut, values: Mapping[str, Array]) -> dict[str, Array]:
        arrays = super().isolated(cut, values)
        node = node_of(self.model, self._conv)
        relu = next(iter(node.outputs[0].uses())).node
        name = str(relu.outputs[0].name)
        source = str(node.inputs[0].name).removesuffix(".dequantised")  # type: ignore[union-attr]
        encodings = points_of(self.model)
        arrays[name] = encodings[name].encoding.fake_quantise(  # type: ignore[union-attr]
            self._compute(node, values[source], encodings[source].encoding)
        )
        return arrays

    def _compute(self, node: ir.Node, values: Array, encoding: object) -> Array:
        scale, zero = encoding.scale, encoding.zero_point  # type: ignore[attr-defined]
        integers = np.clip(np.rint(values / scale) + zero, 0, 255).astype(np.int32)
        padded = np.pad(integers, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=zero)
        weight, scales, _ = (numbers(node.inputs[1].producer(), i) for i in range(3))  # type: ignore[union-attr,arg-type]
        bias, bias_scale, _ = (numbers(node.inputs[2].producer(), i) for i in range(3))  # type: ignore[union-attr,arg-type]
        batch, _, height, width = values.shape
        outputs = np.zeros((batch, len(weight), height, width), np.float32)
        channel_last = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1).astype(np.int32)
        for row in range(height):
            for column in range(width):
                patch = padded[:, :, row : row + 3, column : column + 3]
                terms = patch.transpose(0, 2, 3, 1).reshape(batch, 1, -1) * channel_last
                terms = np.pad(terms, ((0, 0), (0, 0), (0, terms.shape[2] % 2)))
                pairs = terms[..., 0::2] + terms[..., 1::2]
                sums = np.clip(pairs, -32768, 32767).sum(axis=2)
                outputs[:, :, row, column] = sums - zero * channel_last.sum(axis=1)
        outputs = outputs * (scale * scales)[:, None, None] + (bias * bias_scale)[:, None, None]
        return np.maximum(outputs, 0).astype(np.float32)
