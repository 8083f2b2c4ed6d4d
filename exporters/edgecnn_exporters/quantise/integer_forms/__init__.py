"""Rewrites before quantising: operators without 8-bit kernels become operators that have them.

Equal in float, but longer: a graph that stays float is better off without. Each rewrite is a file
of its own. SiLU needs none, for ``Mul(x, Sigmoid(x))`` is two integer operators already.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
from onnx_ir.passes import common

from edgecnn_exporters.passes.rewrite import PassReport, left_alone, pass_name
from edgecnn_exporters.quantise.integer_forms.affine import ConvolveAffine
from edgecnn_exporters.quantise.integer_forms.average_pool import ConvolveAveragePool
from edgecnn_exporters.quantise.integer_forms.cubic_resize import SeparateResizedChannels
from edgecnn_exporters.quantise.integer_forms.hard_sigmoid import SpellOutHardSigmoid
from edgecnn_exporters.quantise.integer_forms.hard_swish import SpellOutHardSwish

PASSES: tuple[Callable[[], ir.passes.InPlacePass], ...] = (
    # First: a Conv that it makes can take in the factor of the activation behind it.
    ConvolveAffine,
    ConvolveAveragePool,
    # Before HardSigmoid, which is half of one of its spellings.
    SpellOutHardSwish,
    SpellOutHardSigmoid,
    SeparateResizedChannels,
    common.RemoveUnusedNodesPass,
)


def prepare(model: ir.Model) -> PassReport:
    """Rewrite a canonical float graph, in place, into operators that have an integer form."""
    results = {pass_name(make): make()(model) for make in PASSES}
    changed = tuple(name for name, result in results.items() if result.modified)
    return PassReport(changed, left_alone(results))


__all__ = ["PASSES", "prepare"]
