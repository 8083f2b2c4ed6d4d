"""An entry of the table of TFLite translations: `Operator`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.targets.tflite.lowering import Lowering

# The flag: whether the node computes in integers.
Lower = Callable[[Lowering, ir.Node, bool], None]


def _always(low: Lowering, node: ir.Node) -> bool:
    return True


def never(low: Lowering, node: ir.Node) -> bool:
    """No integer form: the kernels compute in float alone."""
    return False


@dataclass(frozen=True)
class Operator:
    """The translation of one ONNX operator.

    Attributes:
        lower: writes a node.
        has_integers: whether TFLite computes this node in integers from the QDQ graph's encodings;
            where it does not, the node is written in float between DEQUANTIZE and QUANTIZE.
    """

    lower: Lower
    has_integers: Callable[[Lowering, ir.Node], bool] = _always
