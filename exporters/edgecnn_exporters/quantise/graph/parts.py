"""Parts of a graph between values, as models of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto


class Parts:
    """Parts of a model, cut out as ONNX messages.

    A layer-by-layer run needs hundreds of them: what each takes must not grow with the whole graph,
    and no weight is written twice.
    """

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._order = {node: number for number, node in enumerate(model.graph)}
        self._values = {str(each.name): each for each in model.graph.inputs}
        self._values |= {str(o.name): o for node in model.graph for o in node.outputs}
        self._tensors: dict[str, tuple[object, TensorProto]] = {}

    def cut(self, sources: Sequence[str], value: str) -> ModelProto:
        """The part from `sources` to one value, with the constants as they are now."""
        import onnx

        nodes = self._between({self._values[name] for name in sources}, self._values[value])
        constants = dict.fromkeys(
            each
            for node in nodes
            for each in node.inputs
            if each is not None and each.is_initializer()
        )
        opsets = self._model.graph.opset_imports.items()
        return onnx.ModelProto(
            ir_version=self._model.ir_version,
            opset_import=[onnx.OperatorSetIdProto(domain=name, version=n) for name, n in opsets],
            graph=onnx.GraphProto(
                name=value,
                node=map(ir.serde.serialize_node, nodes),
                initializer=map(self._tensor, constants),
                input=[ir.serde.serialize_value(self._values[name]) for name in sources],
                output=[ir.serde.serialize_value(self._values[value])],
            ),
        )

    def _between(self, stops: set[ir.Value], target: ir.Value) -> list[ir.Node]:
        nodes: set[ir.Node] = set()
        pending = [target]
        while pending:
            value = pending.pop()
            node = value.producer()
            if value in stops or node is None or node in nodes:
                continue
            nodes.add(node)
            pending += [each for each in node.inputs if each is not None]
        return sorted(nodes, key=self._order.__getitem__)

    def _tensor(self, constant: ir.Value) -> TensorProto:
        name = str(constant.name)
        known, tensor = self._tensors.get(name, (None, None))
        if tensor is None or known is not constant.const_value:
            assert constant.const_value is not None
            tensor = ir.serde.serialize_tensor(constant.const_value)
            tensor.name = name
            self._tensors[name] = constant.const_value, tensor
        return tensor
