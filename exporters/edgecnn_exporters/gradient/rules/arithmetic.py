"""Gradients of element-wise arithmetic with broadcasting."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.broadcast import sum_to_input
from edgecnn_exporters.gradient.rule import Backward


def add(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Add: ``da = dy``, ``db = dy``, each summed to its operand's shape."""
    return {index: sum_to_input(back, back.gradient, index) for index in back.wanted}
