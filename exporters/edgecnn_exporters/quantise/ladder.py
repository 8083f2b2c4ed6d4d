"""The quantisation ladder: each rung is kept only where it improves held-out samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.errors import CalibrationFailed, UnsupportedModel
from edgecnn_exporters.passes.rewrite import LeftAlone
from edgecnn_exporters.quantise.calibrate.held_out import Division, divide
from edgecnn_exporters.quantise.calibrate.likeness import describe_likeness
from edgecnn_exporters.quantise.calibrate.results import judged_ranges
from edgecnn_exporters.quantise.calibrate.samples import Samples, names_of
from edgecnn_exporters.quantise.coarse import find_coarse
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.eligible import NO_FLOATS
from edgecnn_exporters.quantise.graph.kernels import find_deviations
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.integer_forms import prepare
from edgecnn_exporters.quantise.judges import COMPARED, check_can_be_shown, make_judges
from edgecnn_exporters.quantise.memory import fit_memory
from edgecnn_exporters.quantise.rungs import MIX, RECIPES, RUNGS
from edgecnn_exporters.quantise.score import Score, listed_decibels
from edgecnn_exporters.quantise.state import Bench, LadderState, Rung
from edgecnn_exporters.quantise.steps.mixed import LISTED, check_limit, mixtures, most_sensitive
from edgecnn_exporters.quantise.steps.sensitivity import Sensitivity, measure_sensitivity
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.progress import Progress, StepProgress, no_progress, no_steps

# Held-out samples that every artefact answers before it is packed.
JUDGES = 16
# A rung that gains less, in dB, is noise, and one thing more that can go wrong.
LEAST_GAIN_DB = 0.1
# Samples on which kernels are checked.
CHECKED = 2


@dataclass(frozen=True)
class Quantised:
    """A quantised network with the rungs that led to it.

    Attributes:
        first: before the first rung: nearest integers within the whole measured range.
        forms: rewrites that made operators computable in integers.
        left_alone: the nodes that those rewrites refused.
        calibrated: number of samples.
        bench: with the samples that judge.
        fresh: of the samples that took no decision; None where there are none.
        unmixed: the same in 8 bits wherever it can be; None where accuracy kept nothing in float.
        notes: what the user is to know.
        is_trained: scales and biases come from a training, and nothing was calibrated.
    """

    first: LadderState
    state: LadderState
    rungs: tuple[Rung, ...]
    forms: tuple[str, ...]
    calibrated: int
    bench: Bench
    fresh: Score | None = None
    unmixed: LadderState | None = None
    left_alone: tuple[LeftAlone, ...] = ()
    notes: tuple[str, ...] = ()
    is_trained: bool = False

    @property
    def model(self) -> ir.Model:
        """The QDQ graph."""
        return self.state.qdq

    @property
    def held_out(self) -> int:
        """The number of samples that decided."""
        return len(self.bench.judges.deciding)

    @property
    def candidates(self) -> int:
        """How many quantised networks were compared on them."""
        return len(self.bench.judges.candidates)

    def worst_samples(self, count: int) -> list[tuple[str, float]]:
        """The samples with the lowest SQNR, in dB, by name; fresh ones where there are any."""
        judges = self.bench.judges
        samples = judges.deciding if self.fresh is None else judges.fresh
        each = zip(names_of(samples), self.reported.sample_db, strict=True)
        return sorted(each, key=lambda pair: pair[1])[:count]

    def sensitivity(
        self, progress: Progress = no_progress
    ) -> tuple[list[Sensitivity], list[Sensitivity]]:
        """Sensitivity of each layer, before the ladder and after it."""
        samples = self.bench.judges.compared
        before = measure_sensitivity(self.first, samples, lambda done: progress(done / 2))
        return before, measure_sensitivity(
            self.state, samples, lambda done: progress((1 + done) / 2)
        )

    def judges(self) -> list[tuple[Float32, Mapping[str, Float32]]]:
        """Samples that did not calibrate, each with the float network's outputs."""
        return self.bench.judges.examples(JUDGES)

    def worst_layers(self, progress: Progress = no_progress) -> list[Sensitivity]:
        """The operators that cost most by themselves, after the ladder."""
        rows = measure_sensitivity(self.state, self.bench.judges.compared, progress)
        return sorted(rows, key=lambda row: row.isolated_db)[:LISTED]

    def most_sensitive(self) -> str:
        """The most sensitive operators, in words."""
        return most_sensitive(self.state, self.bench.judges.compared)

    def mixtures(self) -> Iterator[Quantised]:
        """The network with one, two, four … of the most sensitive operators in float."""
        before = [rung for rung in self.rungs if rung.name != MIX or rung.is_kept]
        for state, note in mixtures(self.state, self.bench):
            rung = Rung(MIX, True, self.score, state.score, note)
            unmixed = self.unmixed or self.state
            fresh = self.bench.judges.confirm(state.qdq)
            yield replace(self, state=state, rungs=(*before, rung), unmixed=unmixed, fresh=fresh)

    @property
    def score(self) -> Score:
        """SQNR and agreement of the deciding samples' outputs with the float network's."""
        return self.state.score

    @property
    def reported(self) -> Score:
        """The score that is reported: that of samples which took no decision, if there are any."""
        return self.fresh or self.score

    @property
    def left(self) -> Mapping[str, str]:
        """The nodes that stay float with the reason, but for what follows the last sum."""
        plan = self.state.plan
        return {
            name: reason
            for name, reason in plan.left.items()
            if name not in plan.tail and reason != NO_FLOATS
        }

    def provenance(self) -> dict[str, Any]:
        """Provenance of the quantised network, as JSON values."""
        own = {"recipe": self.state.observer} if self.is_trained else {}
        return own | {
            "calibrated": self.calibrated,
            "held_out": self.held_out,
            "observer": self.state.observer,
            "forms": list(self.forms),
            "float": dict(self.left),
            "candidates": self.candidates,
            "sqnr_db": listed_decibels(self.score.sqnr_db),
            "top1_agreement": round(self.score.top1_agreement, 4),
            **self._fresh_provenance(),
            "rungs": [rung.to_json() for rung in self.rungs],
        }

    def _fresh_provenance(self) -> dict[str, Any]:
        if self.fresh is None:
            return {}
        found = {
            "samples": len(self.bench.judges.fresh),
            "sqnr_db": listed_decibels(self.fresh.sqnr_db),
            "typical_db": listed_decibels(self.fresh.typical_db),
            "top1_agreement": round(self.fresh.top1_agreement, 4),
        }
        return {"fresh": found}


def quantise(
    model: ir.Model,
    samples: Samples,
    config: QuantConfig | None = None,
    progress: StepProgress = no_steps,
    *,
    inputs: Range | None = None,
    fresh: Samples = (),
    fixed: Collection[str] = (),
) -> Quantised:
    """Quantise a canonical float network to 8 bits; the model itself stays as it is.

    Args:
        samples: inputs like those of the device; `divide` chooses those that decide.
        progress: asked for the progress of each step, by its name.
        inputs: least and greatest of the network's input; given, the ranges follow
            from batch normalisation (noted by `passes.moments`), and all of the samples judge.
        fresh: further inputs, which measure the result and decide nothing.
        fixed: names of nodes whose weights and inputs are neither scaled nor moved.

    Raises:
        CalibrationFailed: no samples, no batch normalisation where ranges are to follow from it,
            or NaN or infinity among the network's values.
        UnsupportedModel: the graph is quantised already.
        LimitMissed: a stated limit is not met, or cannot be shown with so few samples.
    """
    config = config or QuantConfig()
    refuse_quantised(model)
    if not len(samples):
        raise CalibrationFailed("there are no samples to calibrate with")
    division = divide(samples, fresh) if inputs is None else Division((), samples, fresh)
    fit = division.fit
    if config.min_agreement is not None:
        check_can_be_shown(config.min_agreement, division)
    prepared = model.clone()
    forms = prepare(prepared)
    looked_at = list(islice(fit or division.held_out, COMPARED))
    plan = make_plan(prepared.graph, coarse=find_coarse(prepared, looked_at))
    memory = fit_memory(prepared, plan, next(iter(samples)), config.memory_limit)
    judges = make_judges(model, division)
    results = judged_ranges(prepared, plan, judges)
    bench = Bench(config, fit, judges, progress("calibrate"), inputs, memory, results, fixed=fixed)
    calibration = bench.calibrate(prepared, plan)
    state = first = bench.build(prepared, plan, calibration, config.observer or "min-max")
    rungs: list[Rung] = []
    unmixed = None
    for name in RECIPES[config.recipe]:
        before = state
        state, rung = _climb(name, state, replace(bench, progress=progress(name), first=first))
        rungs.append(rung)
        unmixed = before if name == MIX and rung.is_kept else None
    check_limit(state, bench)
    kernels = describe_kernels(state.qdq, judges.compared)
    return Quantised(
        first=first,
        state=state,
        rungs=tuple(rungs),
        forms=forms.changed,
        calibrated=len(fit),
        bench=bench,
        fresh=judges.confirm(state.qdq),
        unmixed=unmixed,
        left_alone=forms.left_alone,
        notes=(*division.notes, *describe_likeness(fit), *kernels),
    )


def describe_kernels(qdq: ir.Model, samples: Sequence[Float32]) -> tuple[str, ...]:
    """A note of the operators that ONNX Runtime's kernels compute otherwise than the graph."""
    deviations = find_deviations(qdq, samples[:CHECKED])
    if not deviations:
        return ()
    worst = sorted(deviations, key=lambda each: -each.steps)[:LISTED]
    more = f" and {len(deviations) - len(worst)} more" if len(deviations) > len(worst) else ""
    return (
        "ONNX Runtime's integer kernels deviate from the graph by more than a step in "
        f"{', '.join(map(str, worst))}{more}: the SQNR of int8 is that of the graph, and "
        "model.int8.onnx answers otherwise there",
    )


def _climb(name: str, state: LadderState, bench: Bench) -> tuple[LadderState, Rung]:
    candidate, note = RUNGS[name](state, bench)
    if candidate is None:
        return state, Rung(name, False, state.score, None, note)
    # Written so that a score of NaN does not pass for a gain. A step that helps the typical sample
    # must not harm the rare one: what clips it here clips more of them elsewhere.
    gain = candidate.score.judged_db - state.score.judged_db
    is_kept = gain > LEAST_GAIN_DB and candidate.score.sqnr_db > state.score.sqnr_db
    rung = Rung(name, is_kept, state.score, candidate.score, note)
    return (candidate if is_kept else state), rung


def refuse_quantised(model: ir.Model) -> None:
    """Check that the graph is a float one.

    Raises:
        UnsupportedModel: it is quantised already.
    """
    for node in model.graph:
        if "QuantizeLinear" in node.op_type or node.op_type in ("ConvInteger", "MatMulInteger"):
            raise UnsupportedModel(
                f"{node.name} ({node.op_type}): the network is quantised already; quantising twice "
                "adds the errors, so start from the float network"
            )
