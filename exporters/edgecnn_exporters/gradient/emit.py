"""Writer of ONNX nodes behind a graph: operators of opset 18 and newer, names that are free."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import new_initialiser
from edgecnn_runtime.arrays import Array

Attribute = int | float | str | Sequence[int] | Sequence[float]
# Numbers and lists of them become constants of the graph.
Operand = ir.Value | Array | float | Sequence[int] | None


class Emitter:
    """Adds nodes to a graph, each named after what it belongs to.

    Attributes:
        written: its nodes, in the order in which they were made.

    A Python float or list of integers as an operand becomes a constant: of no axes and the scope's
    type (float32 if none is said), as arrays of float32 do, or int64 of one axis, which is what
    axes, shapes and pads are.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self._names = {str(value.name) for value in graph.inputs}
        self._names |= set(graph.initializers)
        self._names |= {str(value.name) for node in graph for value in node.outputs}
        self._scope = "learn"
        self._before: ir.Node | None = None
        self.dtype = ir.DataType.FLOAT
        self.written: list[ir.Node] = []

    def within(
        self, scope: str, dtype: ir.DataType | None = None, *, before: ir.Node | None = None
    ) -> None:
        """Later nodes are named after `scope`, a node or a parameter; their floats are of a type.

        Args:
            dtype: None for float32.
            before: node of the graph in front of which they are put; None: at the end.
        """
        self._scope, self._before = scope, before
        self.dtype = dtype or ir.DataType.FLOAT

    def __call__(
        self, operator: str, *operands: Operand, name: str | None = None, **attributes: Attribute
    ) -> ir.Value:
        """The one output of a new node; as `many`."""
        return self.many(operator, 1, *operands, name=name, **attributes)[0]

    def many(
        self,
        operator: str,
        outputs: int,
        *operands: Operand,
        name: str | None = None,
        **attributes: Attribute,
    ) -> tuple[ir.Value, ...]:
        """The outputs of a new node.

        Args:
            operator: of ONNX's own domain.
            name: of the first output; None makes one of the scope and the operator.
        """
        inputs = [self._value(operand) for operand in operands]
        node = ir.node(operator, inputs, attributes=attributes, num_outputs=outputs)
        return self._put(node, name)

    def copied(self, node: ir.Node, inputs: Sequence[ir.Value | None]) -> tuple[ir.Value, ...]:
        """The outputs of a new node with the operator and attributes of another."""
        copy = ir.Node(
            node.domain,
            node.op_type,
            inputs,
            list(node.attributes.values()),
            num_outputs=len(node.outputs),
        )
        return self._put(copy, None)

    def _put(self, node: ir.Node, name: str | None) -> tuple[ir.Value, ...]:
        for value in node.outputs:
            value.name = self.free(name or f"{self._scope}.{node.op_type.lower()}")
        node.name = str(node.outputs[0].name)
        if self._before is None:
            self.graph.append(node)
        else:
            self.graph.insert_before(self._before, node)
        self.written.append(node)
        return tuple(node.outputs)

    def constant(self, array: Array) -> ir.Value:
        """An initialiser; equal ones are shared."""
        kind = f"constant.{array.dtype}.{'x'.join(map(str, array.shape))}"
        return new_initialiser(self.graph, f"learn.{kind}", array)

    def _value(self, operand: Operand) -> ir.Value | None:
        if operand is None or isinstance(operand, ir.Value):
            return operand
        if isinstance(operand, np.ndarray):
            is_single = operand.dtype == np.float32
            return self.constant(operand.astype(self.dtype.numpy()) if is_single else operand)
        if isinstance(operand, int | float):
            return self.constant(np.array(operand, self.dtype.numpy()))
        return self.constant(np.array(operand, np.int64))

    def free(self, name: str) -> str:
        """The name itself, or with a number where it is taken; now taken."""
        candidate, number = name, 0
        while candidate in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate
