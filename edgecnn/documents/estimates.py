"""Estimates of compilers as fields of a JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.bench.estimated import ESTIMATED, Estimate


@dataclass(frozen=True)
class EstimateFields:
    """A compiler's estimate of one compiled artefact: nothing ran.

    Attributes:
        device: the compile target.
        artefact: its path in the bundle.
        proof: "estimated".
        compiler: name and version.
        configuration: the system that it holds for: names, and the clock in MHz.
        latency_ms: of one inference, without the operators of `not_estimated`.
        cycles: of the accelerator's clock.
        utilisation: share of the accelerator's multiply-adds that are used, 0 to 1.
        memory_bytes: name of a memory → bytes used of it.
        not_estimated: operators on the CPU, whose time is left out.
        npu_cycles: cycles in which the accelerator computes; null where the compiler says none.
        macs: multiply-accumulates of one inference; null where the compiler says none.
        bandwidth: name of a memory → bytes of an inference, and peak bytes a second.
        weight_bytes: of the weights, original and encoded.
        operators: figures operator by operator, as the compiler reports them.
        others: further figures of the compiler.
    """

    device: str
    artefact: str
    proof: str
    compiler: str
    configuration: Mapping[str, str | float]
    latency_ms: float
    cycles: int
    utilisation: float
    memory_bytes: Mapping[str, int]
    not_estimated: tuple[str, ...]
    npu_cycles: Any
    macs: Any
    bandwidth: Any
    weight_bytes: Any
    operators: Any
    others: Mapping[str, Any]


def estimate_fields(estimate: Estimate) -> EstimateFields:
    """The estimate as a document has it.

    What it is of does not come from the compiler's report, which anyone may have written.
    """
    further = ("npu_cycles", "macs", "bandwidth", "weight_bytes", "operators")
    known = set(EstimateFields.__dataclass_fields__)
    return EstimateFields(
        device=estimate.device,
        artefact=estimate.artefact,
        proof=ESTIMATED,
        compiler=estimate.compiler,
        configuration=estimate.configuration,
        latency_ms=estimate.latency_ms,
        cycles=estimate.cycles,
        utilisation=estimate.utilisation,
        memory_bytes=estimate.memory_bytes,
        not_estimated=estimate.left_out,
        **{name: estimate.report.get(name) for name in further},
        others={key: value for key, value in estimate.report.items() if key not in known},
    )
