"""Speed of int8 against fp32 on this machine, and the operators that fell back to float."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.targets.onnx.placement import Placement, place
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.measure.benchmark import benchmark
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan, Subject
from edgecnn_runtime.measure.results import assemble
from edgecnn_runtime.measure.statistics import LatencyComparison
from edgecnn_runtime.measure.timing import Run, measure
from edgecnn_runtime.progress import Progress, no_progress

if TYPE_CHECKING:
    from edgecnn_exporters.quantise.ladder import Quantised

# A few seconds: enough for a verdict where there is one to give.
PLAN = MeasurementPlan(rounds=16, block_ms=30.0, warmup_s=1.0, max_s=8.0)
ENGINE = "onnxruntime"


@dataclass(frozen=True)
class Speed:
    """int8 against fp32 on one thread of this machine.

    Attributes:
        int8_ms, fp32_ms: median latencies.
        comparison: int8 against fp32.
        placement: operator counts of the int8 graph as ONNX Runtime executes it.
        mixing: int8 as it is against all in 8 bits; None where no operator was left in float.
    """

    int8_ms: float
    fp32_ms: float
    comparison: LatencyComparison
    placement: Placement
    mixing: LatencyComparison | None = None

    def words(self) -> str:
        """The verdict in words, with the reason where int8 is not faster."""
        comparison = self.comparison
        interval = f"99 % interval {comparison.low:.2f} to {comparison.high:.2f}"
        phrase = {
            "faster": "faster here",
            "slower": "SLOWER here",
            "no difference": "no difference here",
            "tainted": "no verdict, the machine was disturbed",
        }[comparison.verdict]
        words = f"{phrase}: {comparison.ratio:.2f} × fp32's latency on one thread ({interval})"
        real = sum(self.placement.real.values())
        if real:
            words += f"; {self.fallen_back()}"
        if self.mixing is not None:
            words += (
                f"; what accuracy keeps in float makes it {self.mixing.ratio:.2f} × as long as "
                "all in 8 bits"
            )
        return words

    def fallen_back(self) -> str:
        """The operators that run in float, with their number."""
        named = ", ".join(f"{count} {name}" for name, count in self.placement.real.items())
        return f"in float: {named}"


def measure_speed(bundle: Path, quantised: Quantised, progress: Progress = no_progress) -> Speed:
    """Measure int8 against fp32, in turn, and against all-int8 where operators stay float.

    Raises:
        MeasureError: an artefact answers wrongly, or does not run.
        BundleError: the bundle cannot be trusted.
    """
    subjects = (
        Subject(str(bundle), engine=ENGINE, precision="int8", threads=1, against=1),
        Subject(str(bundle), engine=ENGINE, precision="fp32", threads=1),
    )
    share = 1.0 if quantised.unmixed is None else 0.5
    events: list[dict[str, Any]] = []

    def hear(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "progress":
            progress(share * event["done"])

    benchmark(MeasurementJob(subjects, PLAN), hear)
    int8, fp32 = assemble(subjects, events).rows
    for row in (int8, fp32):
        if row.latency is None:
            raise MeasureError(f"{bundle} ({row.subject.precision}) is not measured: {row.note}")
    assert int8.latency is not None
    assert fp32.latency is not None
    assert int8.comparison is not None, "both were timed, in the same rounds"
    with Bundle(bundle) as opened:
        artefacts = opened.manifest.artefacts
        (artefact,) = (a for a in artefacts if (a.format, a.precision) == ("onnx", "int8"))
        model = opened.read_artefact(artefact).model
    mixing = _mixing(model, quantised, lambda done: progress(share + (1 - share) * done))
    medians = (int8.latency.median_ms, fp32.latency.median_ms)
    return Speed(*medians, int8.comparison, place(model), mixing)


def _mixing(model: bytes, quantised: Quantised, progress: Progress) -> LatencyComparison | None:
    if quantised.unmixed is None:
        return None
    sample = quantised.bench.judges.compared[0]

    def runner(content: bytes) -> Run:
        engine = OnnxRuntimeEngine.open(content, threads=1)
        return lambda: engine.run({engine.inputs[0].name: sample})

    unmixed = to_bytes(quantised.unmixed.qdq)
    runners = {"mixed": runner(model), "8 bits": runner(unmixed)}
    return measure(runners, PLAN, progress=progress).comparison
