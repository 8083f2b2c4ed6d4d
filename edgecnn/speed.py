"""Is int8 faster here? Both artefacts of a bundle in turn on this machine, and what fell back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.quantise.placement import Placement, place
from edgecnn_exporters.reference import to_bytes
from edgecnn_runtime.benchmark import Progress, Subject, benchmark
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.measure import Measurement, Plan, Run, measure
from edgecnn_runtime.statistics import Comparison

if TYPE_CHECKING:
    from edgecnn_exporters.quantise.ladder import Quantised

# A few seconds: enough for a verdict where there is one to give.
PLAN = Plan(rounds=16, block_ms=30.0, warmup_s=1.0, max_s=8.0)
ENGINE = "onnxruntime"


@dataclass(frozen=True)
class Speed:
    """int8 against fp32 on one thread of this machine.

    Attributes:
        mixing: int8 as it is against all in 8 bits, where accuracy kept operators in float.
    """

    measurement: Measurement
    placement: Placement
    mixing: Comparison | None = None

    def words(self) -> str:
        """The verdict in words, and why where it is none to be glad of."""
        found = self.measurement.comparison
        assert found is not None
        interval = f"99 % interval {found.low:.2f} to {found.high:.2f}"
        said = {
            "faster": "faster here",
            "slower": "SLOWER here",
            "no difference": "no difference here",
            "tainted": "no verdict, the machine was disturbed",
        }[found.verdict]
        words = f"{said}: {found.ratio:.2f} × fp32's latency on one thread ({interval})"
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

    def to_json(self) -> dict[str, Any]:
        """Verdict, latencies and operators as JSON values."""
        int8, fp32 = self.measurement.latencies
        assert self.measurement.comparison is not None
        return {
            "comparison": asdict(self.measurement.comparison),
            "int8_ms": int8.median_ms,
            "fp32_ms": fp32.median_ms,
            "placement": asdict(self.placement),
            "mixing": None if self.mixing is None else asdict(self.mixing),
        }


def measure_speed(
    bundle: Path, quantised: Quantised, progress: Progress = lambda done: None
) -> Speed:
    """Measure int8 against fp32, in turn; and against all in 8 bits, where it is not.

    Raises:
        MeasureError: an artefact answers wrongly.
        EngineError, BundleError: as `edgecnn_runtime.open` says.
    """
    int8, fp32 = (Subject(str(bundle), ENGINE, precision, 1) for precision in ("int8", "fp32"))
    share = 1.0 if quantised.unmixed is None else 0.5
    found = benchmark(int8, fp32, PLAN, cold_starts=0, progress=lambda done: progress(share * done))
    with Bundle(bundle) as opened:
        held = opened.manifest.artefacts
        (artefact,) = (a for a in held if (a.format, a.precision) == ("onnx", "int8"))
        model = opened.read_artefact(artefact).model
    mixing = _mixing(model, quantised, lambda done: progress(share + (1 - share) * done))
    return Speed(found.measurement, place(model), mixing)


def _mixing(model: bytes, quantised: Quantised, progress: Progress) -> Comparison | None:
    if quantised.unmixed is None:
        return None
    sample = quantised.bench.compared[0]

    def runner(content: bytes) -> Run:
        engine = OnnxRuntimeEngine.open(content, threads=1)
        return lambda: engine.run({engine.inputs[0].name: sample})

    unmixed = to_bytes(quantised.unmixed.qdq)
    runners = {"mixed": runner(model), "8 bits": runner(unmixed)}
    return measure(runners, PLAN, progress=progress).comparison
