"""Expected SQNR of an artefact whose outputs are 8-bit integers."""

from __future__ import annotations

from dataclasses import replace

from edgecnn_exporters.bundle.examples import Examples
from edgecnn_runtime.engines.adapted import dequantise, quantise
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Answer, Difference, compare
from edgecnn_runtime.parity.group_difference import decibels
from edgecnn_runtime.parity.tolerances import by_output


def with_rounding(simulated: Difference, artefact: Artefact, examples: Examples) -> Difference:
    """A difference with the noise of rounding the outputs to the artefact's encodings as well."""
    # A zero point below zero is int8's; with others both types give the same steps, for what
    # saturates is beyond the calibrated range.
    dtype = "int8" if any(zero < 0 for _, zero in artefact.encodings.values()) else "uint8"
    rounded = [
        Answer(name, array, dequantise(quantise(array, encoding, dtype), encoding))
        for _, expected in examples.judged
        for name, array in expected.items()
        if (encoding := artefact.encodings.get(name)) is not None
    ]
    if not rounded:
        return simulated
    own = by_output(compare(rounded, examples.groups))
    groups = [
        replace(each, sqnr_db=_sum_db(each.sqnr_db, own[name][at].sqnr_db)) if name in own else each
        for name, of_output in by_output(simulated).items()
        for at, each in enumerate(of_output)
    ]
    ranked = tuple(sorted(groups, key=lambda each: each.sqnr_db))
    return replace(simulated, groups=ranked, sqnr_db=ranked[0].sqnr_db)


def _sum_db(first: float, second: float) -> float:
    """SQNR in dB of two noises together."""
    return decibels(1.0, 10 ** (-first / 10) + 10 ** (-second / 10))
