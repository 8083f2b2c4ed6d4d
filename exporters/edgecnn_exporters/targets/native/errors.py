"""Errors of plans: no kernel for an operator, a number out of range, a damaged file.

* EdgeCNNError
  + UnsupportedModel
    + NoKernel
  + PlanInvalid
"""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.errors import EdgeCNNError

NEXT_STEP = "leave it to another target, or take it out of the network and compute it in the app"


class NoKernel(UnsupportedModel):
    """A node that no kernel of the native engine computes."""

    def __init__(self, node: ir.Node, reason: str, next_step: str = NEXT_STEP) -> None:
        super().__init__(
            f"{node.name} ({node.op_type}) has no native kernel: {reason}; {next_step}"
        )
        self.node = str(node.name)


class PlanInvalid(EdgeCNNError):
    """A file that is no plan, or a damaged one."""
