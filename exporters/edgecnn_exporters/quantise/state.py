"""State of a quantised network on the ladder, and the workbench that every rung shares."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.collect import CalibrationStatistics, calibrate
from edgecnn_exporters.quantise.calibrate.data_free import calibrate_data_free
from edgecnn_exporters.quantise.calibrate.halves import part_halves
from edgecnn_exporters.quantise.calibrate.observers import OBSERVERS, min_max
from edgecnn_exporters.quantise.calibrate.ranges import encode_groups, quantise_weights
from edgecnn_exporters.quantise.calibrate.results import encode_results
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan, before_coarse
from edgecnn_exporters.quantise.graph.qdq import Numbers, write_qdq
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.in_parallel import MOST_AT_ONCE
from edgecnn_exporters.quantise.judges import Judges
from edgecnn_exporters.quantise.score import Score, listed_decibels
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.progress import Progress

# Samples that a layer-wise rung keeps in hand.
IN_HAND = 32


@dataclass(frozen=True)
class InMemory:
    """How many samples are in memory at a time.

    Attributes:
        in_hand: with the inputs of the layer that a layer-wise rung is at.
        at_once: with all activations that are looked at.
    """

    in_hand: int = IN_HAND
    at_once: int = MOST_AT_ONCE


@dataclass(frozen=True)
class Rung:
    """Result of one rung of the ladder.

    Attributes:
        before, after: of the held-out samples' outputs against the float network's; `after` is
            None where the rung found nothing to do.
        note: what it did, or why nothing.
    """

    name: str
    is_kept: bool
    before: Score
    after: Score | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """The rung as JSON values."""
        after = None if self.after is None else listed_decibels(self.after.judged_db)
        return {
            "name": self.name,
            "kept": self.is_kept,
            "sqnr_db": [listed_decibels(self.before.judged_db), after],
            "note": self.note,
        }


@dataclass(frozen=True)
class LadderState:
    """A quantised network at one rung.

    Attributes:
        model: the float network, in forms that can be quantised; equalised where that was kept.
        observer: name of the observer that chose the ranges.
        qdq: its quantised copy.
        score: of the held-out samples' outputs against the original's.
    """

    model: ir.Model
    plan: QuantisationPlan
    calibration: CalibrationStatistics
    observer: str
    numbers: Numbers
    qdq: ir.Model
    score: Score

    @property
    def products(self) -> dict[str, str]:
        """The float output of every integer product, by the node's name."""
        return products_of(self.model, self.plan)


@dataclass(frozen=True)
class Bench:
    """Workbench of the ladder: samples, reference outputs and configuration for every rung.

    Attributes:
        samples: those that calibrate.
        judges: those that judge, with the float network's outputs.
        progress: gets the share done of the current step.
        inputs: range of the network's input; given, ranges follow from batch normalisation.
        memory: how many samples may be in memory at a time.
        results: ranges of the results of the last sums over the samples that judge.
        first: the network before the first rung.
        fixed: names of nodes whose weights and inputs stay as they are in the float network.
    """

    config: QuantConfig
    samples: Samples
    judges: Judges
    progress: Progress
    inputs: Range | None = None
    memory: InMemory = InMemory()
    results: Mapping[str, Range] = field(default_factory=dict)
    first: LadderState | None = None
    fixed: Collection[str] = frozenset()

    def score(self, qdq: ir.Model) -> Score:
        """The outputs for the deciding samples against the float network's."""
        return self.judges.decide(qdq)

    def sqnr_of_more(self, qdq: ir.Model) -> float:
        """SQNR of some of the samples that calibrate, in dB; infinite where there are none."""
        checked = self.judges.checked
        return self.judges.compare(qdq, checked).sqnr_db if len(checked) else math.inf

    def calibrate(self, model: ir.Model, plan: QuantisationPlan) -> CalibrationStatistics:
        """Calibrate the float network on the samples."""
        if self.inputs is not None:
            return calibrate_data_free(model, plan, self.inputs)
        channels = products_of(model, plan).values()
        return self._calibrate(model, plan.sources, channels)

    def recalibrate(
        self,
        model: ir.Model,
        plan: QuantisationPlan,
        before: CalibrationStatistics,
        changed: Collection[str],
    ) -> CalibrationStatistics:
        """Calibrate anew only the values that changed."""
        if self.inputs is not None:
            return self.calibrate(model, plan)
        values = [name for name in plan.sources if name in changed]
        channels = [name for name in products_of(model, plan).values() if name in changed]
        calibration = self._calibrate(model, values, channels)
        return CalibrationStatistics(
            {**before.values, **calibration.values},
            {**before.channels, **calibration.channels},
            calibration.samples,
        )

    def _calibrate(
        self, model: ir.Model, values: Collection[str], channels: Collection[str]
    ) -> CalibrationStatistics:
        at_once = self.memory.at_once
        return calibrate(model, self.samples, values, channels, self.progress, at_once)

    def number(
        self,
        model: ir.Model,
        plan: QuantisationPlan,
        calibration: CalibrationStatistics,
        observer: str,
    ) -> Numbers:
        """Numbers of the network quantised to nearest integers within an observer's ranges."""
        observe = OBSERVERS[observer]
        # What is clipped in front of a float tail, such as the logit of a rare score, is a result;
        # and brighter pictures than those that calibrate will come.
        whole = before_coarse(model.graph, plan) | {str(each.name) for each in model.graph.inputs}
        ranges = {
            name: (min_max if name in whole else observe)(calibration.values[name].histogram())
            for name in plan.sources
        }
        activations = part_halves(model.graph, plan, encode_groups(plan, ranges))
        weights = quantise_weights(model.graph, plan, activations, self.config)
        results = encode_results(plan, calibration.channels, self.results)
        return Numbers(activations, weights, results=results)

    def build(
        self,
        model: ir.Model,
        plan: QuantisationPlan,
        calibration: CalibrationStatistics,
        observer: str,
    ) -> LadderState:
        """The network quantised to nearest integers within the ranges that an observer finds."""
        numbers = self.number(model, plan, calibration, observer)
        qdq = write_qdq(model, plan, numbers)
        return LadderState(model, plan, calibration, observer, numbers, qdq, self.score(qdq))

    def renumber(self, state: LadderState, numbers: Numbers) -> LadderState:
        """The same network with other numbers."""
        qdq = write_qdq(state.model, state.plan, numbers)
        return replace(state, numbers=numbers, qdq=qdq, score=self.score(qdq))

    def in_hand(self) -> list[Float32]:
        """The first few of the samples that calibrate."""
        return list(islice(self.samples, self.memory.in_hand))


def products_of(model: ir.Model, plan: QuantisationPlan) -> dict[str, str]:
    """The float output of every integer product, by the node's name."""
    return {
        str(node.name): str(node.outputs[0].name)
        for node in model.graph
        if plan.integer.get(str(node.name)) is Role.PRODUCT
    }
