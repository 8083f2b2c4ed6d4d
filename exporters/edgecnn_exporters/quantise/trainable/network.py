"""A quantised network in PyTorch whose weights, biases and scales can be trained.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3: the forward pass is that of the quantised graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.quantise.calibrate.halves import part_halves
from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.qdq import Numbers, bias_of, encode_operand
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.trainable.fake_quantise import (
    LearnedScale,
    fake_quantise,
    fake_quantise_bias,
)
from edgecnn_exporters.quantise.trainable.operators import torch_operator
from edgecnn_exporters.quantise.trainable.parameters import (
    array_of,
    key_of,
    name_of,
    scale_of,
    start_of,
    weight_name,
)
from edgecnn_exporters.quantise.trainable.schedule import Scheduled, schedule
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.encoding import (
    LEVELS,
    Encoding,
    largest_integer,
    quantise_weight,
)

Tensor = torch.Tensor
PRODUCTS = ("Conv", "ConvTranspose", "Gemm")


@dataclass
class _Run:
    """The values of one run: as they are computed, and rounded where they are read so.

    Attributes:
        scales: of groups of values, by the name of the first.
    """

    given: frozenset[str]
    unrounded: Collection[str]
    drop: float
    scales: dict[str, Tensor]
    computed: dict[str, Tensor]
    rounded: dict[str, Tensor] = field(default_factory=dict)


# Gives an operand of a node in a run.
Operand = Callable[[_Run], Tensor | None]


class TrainableNetwork(nn.Module):
    """A quantised graph as a module: fake quantisation around float operators.

    In evaluation mode it computes what `write_qdq` writes of its `numbers`, but for sums that fall
    on the other side of a rounding. In training mode the scales of what is added or averaged are
    free; in evaluation and in `numbers`, `part_halves` moves them by mostly less than 0.2 %.

    Attributes:
        floats: weights of all products, and biases of those that stay float, by the initialiser's
            name; keys as `key_of` makes them, here and below.
        biases: of integer products, by the node's name.
        scales: of activations: one for each group of values, by the name of its first.
        weight_scales: of integer products, by the node's name.
        inputs, outputs: names of the graph's.
    """

    def __init__(
        self, model: ir.Model, plan: QuantisationPlan, numbers: Numbers, bits: int = 8
    ) -> None:
        """Begin with the numbers of a quantised graph.

        Args:
            model: the canonical float model, in forms that can be quantised; not changed.
            plan: of the model's graph.
            bits: of the weights.

        Raises:
            UnsupportedModel: an operator has no differentiable form.
        """
        super().__init__()
        self.floats, self.biases = nn.ParameterDict(), nn.ParameterDict()
        self.scales, self.weight_scales = nn.ModuleDict(), nn.ModuleDict()
        self._graph, self._plan, self._begin, self._bits = model.graph, plan, numbers, bits
        self._first = {name: group.values[0] for group in plan.groups for name in group.values}
        self.inputs = [str(value.name) for value in model.graph.inputs]
        self.outputs = [str(value.name) for value in model.graph.outputs]
        integer = [node for node in model.graph if str(node.name) in plan.integer]
        self._made_of_integers = {str(value.name) for node in integer for value in node.outputs}
        self._weight_names = {str(node.name): weight_name(node) for node in integer}
        for group in plan.groups:
            self.scales[key_of(group.values[0])] = scale_of(group, plan, numbers)
        self._constants = 0
        self._operands = {node: self._operands_of(node) for node in model.graph}
        self._functions = {node: torch_operator(node).make(node) for node in model.graph}
        self._schedules: dict[tuple[frozenset[str], tuple[str, ...]], list[Scheduled]] = {}

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The outputs of the graph for its input."""
        values = self.run({self.inputs[0]: x}, self.outputs)
        outputs = tuple(values[name] for name in self.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def run(
        self,
        given: Mapping[str, Tensor],
        wanted: Sequence[str],
        *,
        unrounded: Collection[str] = (),
        drop: float = 0.0,
    ) -> dict[str, Tensor]:
        """Some values of the graph, computed from others.

        Args:
            given: from these; an input of the graph is rounded where it is in the graph, values
                between nodes are read as they are given.
            wanted: names of the values; what integer nodes make is rounded if it is held in 8 bits.
            unrounded: names of values that are not rounded.
            drop: the share of every rounded activation's elements that stay as they are, at random
                (QDrop: Wei et al. 2022).

        Raises:
            KeyError: a value is neither given nor computed from what is given.
        """
        names = frozenset(given)
        scales = {} if self.training else self._settled_scales()
        run = _Run(names, unrounded, drop, scales, dict(given))
        key = (names, tuple(wanted))
        if key not in self._schedules:
            self._schedules[key] = schedule(self._graph, *key)
        for each in self._schedules[key]:
            operands = (operand(run) for operand in self._operands[each.node])
            results = self._functions[each.node](*operands)
            results = results if isinstance(results, tuple) else (results,)
            for value, result in zip(each.node.outputs, results, strict=True):
                run.computed[str(value.name)] = result
            for name in each.last_read:
                run.computed.pop(name, None)
                run.rounded.pop(name, None)
        return {name: self._read(name, run, is_integer=False) for name in wanted}

    def numbers(self) -> Numbers:
        """The numbers of the quantised graph, as `write_qdq` writes them."""
        weights = {}
        for name, before in self._begin.weights.items():
            weight = array_of(self.floats[key_of(self._weight_names[name])])
            scale = array_of(self.weight_scales[key_of(name)]())
            weights[name] = quantise_weight(weight, scale, before.axis, self._bits)
        names = [name for name in weights if key_of(name) in self.biases]
        biases = {name: array_of(self.biases[key_of(name)]) for name in names}
        return Numbers(self._encodings(), weights, biases, self._begin.results)

    def weights(self) -> dict[str, Float32]:
        """Float weights by the initialiser's name, not rounded."""
        return {name_of(key): array_of(value) for key, value in self.floats.items()}

    def _encodings(self) -> dict[str, Encoding]:
        scales = {key: float(scale().detach()) for key, scale in self.scales.items()}
        encodings = {
            name: Encoding(scales[key_of(self._first[name])], before.zero_point)
            for name, before in self._begin.activations.items()
        }
        return part_halves(self._graph, self._plan, encodings)

    def _settled_scales(self) -> dict[str, Tensor]:
        encodings = self._encodings()
        device = next(self.buffers()).device
        names = dict.fromkeys(self._first.values())
        return {name: torch.tensor(encodings[name].scale, device=device) for name in names}

    def _operands_of(self, node: ir.Node) -> tuple[Operand, ...]:
        inputs = node.inputs[: torch_operator(node).operands]
        if self._plan.integer.get(str(node.name)) is Role.PRODUCT:
            return self._of_product(node)
        is_integer = str(node.name) in self._plan.integer
        operands: list[Operand] = []
        for index, value in enumerate(inputs):
            array = constant(value)
            if value is None:
                operands.append(lambda run: None)
            elif array is None:
                operands.append(self._reader(str(value.name), is_integer=is_integer))
            elif node.op_type in PRODUCTS and index > 0:
                operands.append(self._float_weight(str(value.name), array))
            else:
                operands.append(self._constant(node, array, is_integer=is_integer))
        return tuple(operands)

    def _of_product(self, node: ir.Node) -> tuple[Operand, ...]:
        source, name = str(node.inputs[0].name), str(node.name)  # type: ignore[union-attr] # a product has one
        key, stem = key_of(name), self._weight_names[name]
        begin = self._begin.weights[name]
        weight_of_run = self._float_weight(stem, start_of(weight_of(node), begin, self._bits))
        self.weight_scales[key] = LearnedScale(begin.scale)
        end, axis = largest_integer(self._bits), begin.axis

        def weight(run: _Run) -> Tensor:
            return fake_quantise(weight_of_run(run), self.weight_scales[key](), -end, end, axis)

        x = self._reader(source, is_integer=True)
        bias = self._begin.biases.get(name)
        bias = bias_of(node) if bias is None else bias
        if bias is None:
            return x, weight
        self.biases[key] = nn.Parameter(torch.tensor(bias))

        def sums(run: _Run) -> Tensor:
            scale = self._scale(source, run) * self.weight_scales[key]()
            return fake_quantise_bias(self.biases[key], scale.detach())

        return x, weight, sums

    def _float_weight(self, name: str, array: Array) -> Callable[[_Run], Tensor]:
        key = key_of(name)
        if key not in self.floats:
            self.floats[key] = nn.Parameter(torch.tensor(array))
        return lambda run: self.floats[key]

    def _constant(self, node: ir.Node, array: Array, *, is_integer: bool) -> Operand:
        if is_integer:
            encoding = encode_operand(node, array)
            array = encoding.dequantise(encoding.quantise(array.astype(np.float32)))
        name = f"constant{self._constants}"
        self._constants += 1
        self.register_buffer(name, torch.tensor(array), persistent=False)
        return lambda run: self.get_buffer(name)

    def _reader(self, name: str, *, is_integer: bool) -> Operand:
        return lambda run: self._read(name, run, is_integer=is_integer)

    def _read(self, name: str, run: _Run, *, is_integer: bool) -> Tensor:
        """A value as a node reads it: 8 bits of what is, or of what an integer node makes."""
        x = run.computed[name]
        is_rounded = name in self._first and (is_integer or name in self._made_of_integers)
        is_taken = name in run.given and name not in self.inputs
        if not is_rounded or is_taken or name in run.unrounded:
            return x
        if name not in run.rounded:
            zero = self._begin.activations[name].zero_point
            rounded = fake_quantise(x, self._scale(name, run), -zero, LEVELS - zero)
            if run.drop:
                rounded = torch.where(torch.rand_like(x) < run.drop, x, rounded)
            run.rounded[name] = rounded
        return run.rounded[name]

    def _scale(self, name: str, run: _Run) -> Tensor:
        first = self._first[name]
        if first not in run.scales:
            run.scales[first] = self.scales[key_of(first)]()
        return run.scales[first]
