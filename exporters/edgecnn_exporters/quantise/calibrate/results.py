"""Encodings of the float results of the last sums, which NPUs and integer TFLite files hold.

The range is that of all samples, those that judge among them, and a quarter more at each end: the
best logit of 10,000 images is 1.3 to 1.7 times the best of 128, and a clipped one costs more than
the coarser step. On ResNet-20 (CIFAR-10, 10,000 images) an 8-bit result has 33.5 dB so, 30.0 dB
within the range that was seen, and 34.2 dB as float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, islice

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.collect import ChannelStatistics
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.judges import Judges
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Encoding, Range, encode

ROOM = 1.25
# Samples that judge and are run again where a result is no output of the network.
RUN_AGAIN = 64


def encode_results(
    plan: QuantisationPlan,
    channels: Mapping[str, ChannelStatistics],
    judged: Mapping[str, Range],
) -> dict[str, Encoding]:
    """Encodings of the results of a plan.

    Args:
        channels: of the samples that calibrate.
        judged: ranges of the samples that judge.
    """
    return {
        name: encode_result(
            Range(float(channels[name].low.min()), float(channels[name].high.max())),
            *([judged[name]] if name in judged else []),
        )
        for name in plan.results
    }


def encode_result(first: Range, *others: Range) -> Encoding:
    """The encoding of a result that was measured within these ranges."""
    for other in others:
        first = first.joined(other)
    seen = first.to_zero()
    return encode(Range(ROOM * seen.low, ROOM * seen.high))


def judged_ranges(model: ir.Model, plan: QuantisationPlan, judges: Judges) -> dict[str, Range]:
    """Ranges of a plan's results over the samples that judge, by name.

    Args:
        model: the float network that was planned.
    """
    outputs = {str(value.name) for value in model.graph.outputs}
    answered = chain(judges.deciding.outputs(), judges.fresh.outputs())
    ranges = _ranges(answered, outputs.intersection(plan.results))
    inner = [name for name in plan.results if name not in outputs]
    if inner:
        samples = islice(chain(judges.deciding, judges.fresh), RUN_AGAIN)
        ranges |= _ranges(ValueProbe(model, inner).stream(samples), inner)
    return ranges


def _ranges(answers: Iterable[Mapping[str, Float32]], names: Iterable[str]) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    wanted = tuple(names)
    for answer in answers if wanted else ():
        for name in wanted:
            own = Range(float(np.min(answer[name])), float(np.max(answer[name])))
            ranges[name] = ranges[name].joined(own) if name in ranges else own
    return ranges
