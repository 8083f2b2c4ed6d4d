"""Samples that judge int8: those that decide between candidates, and fresh ones that do not.

What was chosen as the best of many on some samples looks better on them than it is. The figure that
is reported comes from samples that took no decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

import onnx_ir as ir

from edgecnn_exporters.capture.output_groups import output_groups
from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.quantise.answered import Answered
from edgecnn_exporters.quantise.calibrate.held_out import Division, Part
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.score import Score, score
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.parity.difference import Answer, Groups
from edgecnn_runtime.parity.proportion import samples_to_show, wilson_interval

# Samples on which layers are compared with one another.
COMPARED = 8
# Samples that calibrate and check what clips.
CHECKED = 64


@dataclass(frozen=True)
class Agreement:
    """Agreement of int8's class with float's: how many of how many samples."""

    same: int
    total: int

    @property
    def at_least(self) -> float:
        """Lower end of the 95 % confidence interval of the share."""
        return wilson_interval(self.same, self.total)[0]

    def __str__(self) -> str:
        return f"{self.same} of {self.total} samples, so for {self.at_least:.1%} or more of all"


@dataclass(frozen=True)
class Judges:
    """Samples that judge a quantised network, with the float network's outputs.

    Attributes:
        deciding: samples that decide between candidates.
        fresh: samples that decide nothing; none where there are too few.
        checked: some of those that calibrate, on which what clips is judged as well.
        compared: the first few of these, in memory: layers are compared on them.
        groups: of each output's channels.
        candidates: the score of each candidate so far, in dB.
    """

    deciding: Answered
    fresh: Answered
    checked: Answered
    compared: Sequence[Float32]
    groups: Groups
    candidates: list[float] = field(default_factory=list)

    def decide(self, qdq: ir.Model) -> Score:
        """The score of a candidate on the samples that decide."""
        found = self.compare(qdq, self.deciding)
        self.candidates.append(found.judged_db)
        return found

    def compare(self, qdq: ir.Model, samples: Answered) -> Score:
        """The score on any samples."""
        return score(samples.outputs(), ValueProbe(qdq).stream(samples), self.groups)

    def confirm(self, qdq: ir.Model) -> Score | None:
        """The score on the fresh samples; None where there are none."""
        return self.compare(qdq, self.fresh) if len(self.fresh) else None

    def agreement(self, qdq: ir.Model) -> Agreement:
        """How many of all samples that do not calibrate keep their class."""
        expected = chain(self.deciding.outputs(), self.fresh.outputs())
        actual = ValueProbe(qdq).stream(chain(self.deciding, self.fresh))
        found = score(expected, actual, self.groups)
        return Agreement(round(found.top1_agreement * found.n), found.n)

    def examples(self, count: int) -> list[tuple[Float32, Mapping[str, Float32]]]:
        """At most `count` samples with the float network's outputs, fresh ones first."""
        pairs = (
            pair
            for samples in (self.fresh, self.deciding)
            for pair in zip(samples, samples.outputs(), strict=True)
        )
        return list(islice(pairs, count))


def make_judges(model: ir.Model, division: Division) -> Judges:
    """The judges of a float network's quantised forms."""
    deciding = Answered(model, division.held_out)
    answers = (
        Answer(name, array, array) for each in deciding.outputs() for name, array in each.items()
    )
    return Judges(
        deciding,
        Answered(model, division.fresh),
        Answered(model, Part(division.fit, range(min(CHECKED, len(division.fit))))),
        list(islice(division.held_out, COMPARED)),
        output_groups(model, answers),
    )


def check_can_be_shown(limit: float, division: Division) -> None:
    """Check that the samples are enough to show that the share of `limit` keeps its class.

    Raises:
        LimitMissed: not even if all of them did.
    """
    needed = samples_to_show(limit)
    if needed is None:
        raise LimitMissed(
            "no number of samples shows that all keep their class: 0.99 takes "
            f"{samples_to_show(0.99)}, 0.999 takes {samples_to_show(0.999):,}"
        )
    there = division.independent
    if there < needed:
        most = int(100 * wilson_interval(there, there)[0]) / 100 if there else 0
        raise LimitMissed(
            f"that {limit:.1%} keep their class takes {needed:,} samples which do not calibrate, "
            f"and there are {there}: calibrate with a folder of more images"
            + (f", or ask for {most:.2f} at most" if most else "")
        )
