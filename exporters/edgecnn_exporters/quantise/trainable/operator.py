"""One ONNX operator in PyTorch, and the refusal of what is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant

# Of the node's operands, None where one is missing; a tuple where the node has several outputs.
TorchFunction = Callable[..., Any]


@dataclass(frozen=True)
class TorchOperator:
    """An operator in torch.

    Attributes:
        make: the function that a node computes.
        operands: how many inputs, from the first, the function takes; None for all of them.
    """

    make: Callable[[ir.Node], TorchFunction]
    operands: int | None = 1


def refused(node: ir.Node, reason: str) -> UnsupportedModel:
    """Error for a node that cannot be trained through."""
    return UnsupportedModel(
        f"{node.name} ({node.op_type}) cannot be trained through: {reason}; edgecnn trains "
        "quantised graphs of convolutions, poolings and element-wise operators"
    )


def integers(node: ir.Node, index: int, attribute: str = "") -> tuple[int, ...] | None:
    """Integers that a constant input holds, or before it became an input an attribute."""
    array = constant(node.inputs[index]) if index < len(node.inputs) else None
    if array is not None:
        return tuple(int(each) for each in array.reshape(-1))
    given = node.attributes.get_ints(attribute, []) if attribute in node.attributes else None
    return tuple(given) if given is not None else None
