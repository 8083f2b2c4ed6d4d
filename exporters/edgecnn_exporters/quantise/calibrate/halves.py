"""Scales without rounding ties: no sum lies half-way between two integers, on any runtime.

An Add brings two integers to the output's scale, ``(s_a a + s_b b) / s_y``. Some runtimes compute
that in float, some with multipliers of 20 bits; some round halves to even, some up. Close to a half
they answer differently, one time in some thousands, and the layers behind it make more of it. With
``s_a = s_y p / N`` and ``s_b = s_y r / N``, p and r whole and N odd, every sum is a multiple of
1/N, and none is nearer to a half than 1/(2N): further than any of them errs. A mean of n pixels,
``s_x / (n s_y)`` times their sum, is treated alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import sole_reader, static_rest
from edgecnn_exporters.quantise.graph.plan import EncodingGroup, QuantisationPlan, activations
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_runtime.encoding import Encoding

# Odd; 1/(2N) is twice what multipliers of 20 bits err by on a sum of two 8-bit integers.
PARTS = 1023
# A mean is one sum of integers times one float32, which errs by less than half of 1/(2N).
PARTS_OF_MEAN = 8191
# Of fewer parts than these, moving a scale to the nearest is moving it by more than 3 %.
LEAST = 16


def part_halves(
    graph: ir.Graph, plan: QuantisationPlan, encodings: Mapping[str, Encoding]
) -> dict[str, Encoding]:
    """The encodings, with the scales of what is added or averaged moved a little.

    By less than 0.2 % where a term's scale is a quarter of the sum's or more. A sum's result keeps
    its scale and its terms follow, from the last sum to the first; a mean's result follows what is
    averaged. Left alone: encodings that a Clip ends or a function prescribes, terms that another
    sum has moved already, and those that would move by more than 3 %.
    """
    scales = _Scales(plan, encodings)
    nodes = [node for node in graph if str(node.name) in plan.integer]
    for node in reversed(nodes):
        result = scales.encoded_value(node.outputs[0])
        if node.op_type == "Add" and result is not None:
            for term in activations(node):
                scales.move(str(term.name), str(result.name), 1 / PARTS)
            scales.settle(str(result.name))
    for node in nodes:
        result = scales.encoded_value(node.outputs[0])
        pixels = static_rest(node.inputs[0])
        if node.op_type == "GlobalAveragePool" and result is not None and pixels is not None:
            count = prod(pixels[1:])
            # The powers of two in the number of pixels would make halves again.
            unit = PARTS_OF_MEAN / (count & -count)
            scales.move(str(result.name), str(_source(node).name), unit, -1)
    return scales.encodings


class _Scales:
    """Encodings whose scales are adjusted, for all values of a group together."""

    def __init__(self, plan: QuantisationPlan, encodings: Mapping[str, Encoding]) -> None:
        self.encodings = dict(encodings)
        self._groups = plan.group_of
        self._settled = {group for group in plan.groups if _is_bound(group, plan)}

    def encoded_value(self, value: ir.Value) -> ir.Value | None:
        """The value, or the clip of it, that is held in 8 bits; None where neither is."""
        if str(value.name) in self.encodings:
            return value
        reader = sole_reader(value)
        rule = RULES.get(reader.op_type) if reader is not None else None
        if reader is None or rule is None or rule.role is not Role.CLAMP:
            return None
        return self.encoded_value(reader.outputs[0])

    def settle(self, name: str) -> None:
        """Fix the scale of the value's group."""
        self._settled.add(self._groups[name])

    def move(self, name: str, other: str, unit: float, power: int = 1) -> None:
        """Make the scale a whole multiple of `unit` times the other's, or that divided by one.

        With `power` -1 the scale is ``unit * other / multiple``.
        """
        group = self._groups[name]
        if group in self._settled or group is self._groups[other]:
            return
        base = self.encodings[other].scale * unit
        parts = round((self.encodings[name].scale / base) ** power)
        if parts < LEAST:
            return
        scale = float(np.float32(base * float(parts) ** power))
        for each in group.values:
            self.encodings[each] = replace(self.encodings[each], scale=scale)
        self._settled.add(group)


def _is_bound(group: EncodingGroup, plan: QuantisationPlan) -> bool:
    """Whether the ends of the encoding say more than what was measured."""
    largest = float(np.finfo(np.float32).max)
    limits = [plan.limits[name] for name in group.sources if name in plan.limits]
    return group.fixed is not None or any(limit.high < largest for limit in limits)


def _source(node: ir.Node) -> ir.Value:
    source = node.inputs[0]
    assert source is not None
    return source
