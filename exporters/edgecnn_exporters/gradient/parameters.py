"""Parameters of a graph that can be learnt, and the layers that they belong to."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant

# Inputs that hold weights, by operator. Of the element-wise ones, constants with an axis do.
WEIGHT_INPUTS: Mapping[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
}
_ELEMENT_WISE = frozenset({"Add", "Mul"})


@dataclass(frozen=True)
class LayerParameters:
    """Parameters of one node: float initialisers of the graph."""

    node: ir.Node
    parameters: tuple[ir.Value, ...]


def layers_with_parameters(graph: ir.Graph) -> tuple[LayerParameters, ...]:
    """Every node that has parameters, in the graph's order; a shared one belongs to the first."""
    layers, seen = [], set[ir.Value]()
    for node in graph:
        own = [value for value in _weights(node) if value not in seen]
        seen.update(own)
        if own:
            layers.append(LayerParameters(node, tuple(own)))
    return tuple(layers)


def chosen_parameters(graph: ir.Graph, choice: str) -> tuple[ir.Value, ...]:
    """The parameters to learn.

    Args:
        choice: ``all``; ``head`` for the last layer that has a weight matrix; ``last:N`` for the
            last N, with the normalisations and scales behind the first of them; or names of
            parameters, or the beginning of names up to a dot, with commas between.

    Raises:
        UnsupportedModel: the graph has no parameters, or none of a name; lists near ones.
    """
    layers = layers_with_parameters(graph)
    if not layers:
        raise UnsupportedModel("the network has no weights, so that nothing can be learnt")
    if choice == "all":
        return tuple(value for layer in layers for value in layer.parameters)
    if choice == "head" or choice.startswith("last:"):
        return _last(layers, 1 if choice == "head" else _count(choice))
    every = {str(value.name): value for layer in layers for value in layer.parameters}
    chosen = [value for name in choice.split(",") for value in _named(every, name.strip())]
    return tuple(dict.fromkeys(chosen))


def has_parameters_behind(node: ir.Node) -> bool:
    """Whether a node that follows it has parameters."""
    seen, todo = {node}, [node]
    while todo:
        readers = {use.node for value in todo.pop().outputs for use in value.uses()} - seen
        if any(_weights(reader) for reader in readers):
            return True
        seen |= readers
        todo += readers
    return False


def _last(layers: tuple[LayerParameters, ...], count: int) -> tuple[ir.Value, ...]:
    weighted = [i for i, layer in enumerate(layers) if layer.node.op_type in _PRODUCTS]
    if count > len(weighted):
        raise UnsupportedModel(
            f"--learn last:{count} asks for more layers than the network's {len(weighted)} with "
            "weights; take --learn all"
        )
    first = weighted[-count]
    return tuple(value for layer in layers[first:] for value in layer.parameters)


_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def _count(choice: str) -> int:
    number = choice.removeprefix("last:")
    if not number.isdecimal() or int(number) < 1:
        raise UnsupportedModel(
            f"--learn {choice}: expected a number of layers, as in --learn last:3"
        )
    return int(number)


def _named(every: Mapping[str, ir.Value], name: str) -> list[ir.Value]:
    found = [value for own, value in every.items() if own == name or own.startswith(f"{name}.")]
    if not found:
        near = difflib.get_close_matches(name, every, 3, 0.4) or list(every)[-3:]
        raise UnsupportedModel(
            f"--learn {name}: the network has no parameter of that name; it has "
            f"{', '.join(near)}, …; head, last:N and all stand alone"
        )
    return found


def _weights(node: ir.Node) -> list[ir.Value]:
    if node.domain != "":
        return []
    indices = WEIGHT_INPUTS.get(node.op_type, ())
    if node.op_type in _ELEMENT_WISE:
        indices = (0, 1)
    values = [node.inputs[index] for index in indices if index < len(node.inputs)]
    return [value for value in values if value is not None and _is_parameter(value, node)]


def _is_parameter(value: ir.Value, node: ir.Node) -> bool:
    array = constant(value)
    if array is None or not value.is_initializer() or array.dtype.kind != "f":
        return False
    return node.op_type not in _ELEMENT_WISE or array.size > 1
