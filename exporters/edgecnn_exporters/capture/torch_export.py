"""Export of an ``nn.Module`` to ONNX, accepted only when its outputs agree with PyTorch's.

PyTorch has two exporters, and each is silently wrong for some networks (pytorch#169178,
#166797). Both are tried in turn; the first whose model agrees with PyTorch on real images, at
every batch size, is kept.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from edgecnn_exporters.capture.graph_outputs import separate_outputs
from edgecnn_exporters.capture.kept_parameters import lost_parameters
from edgecnn_exporters.capture.pytorch_exporters import BATCH, EXPORTERS, Job, ValuesBaked, quiet
from edgecnn_exporters.capture.reference import (
    Reference,
    compare_model,
    references,
    to_bytes,
)
from edgecnn_exporters.capture.value_reads import value_reads
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_runtime.errors import EdgeCNNError, first_line
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.tolerances import is_within

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

TRACED_BATCH = 2  # 1 would be taken for a constant


@dataclass(frozen=True)
class Attempt:
    """One exporter's attempt; `outcome` is the reason, in words, why it was kept or not."""

    exporter: str
    outcome: str
    difference: Difference | None = None


@dataclass(frozen=True)
class Captured:
    """The accepted model, its exporter, and all attempts."""

    model: ir.Model
    exporter: str
    attempts: tuple[Attempt, ...]


def capture(
    module: torch.nn.Module,
    reference: Reference,
    *,
    batch: int | None,
    opset: int,
    keeps_parameters: bool = False,
) -> Captured:
    """Export `module` (in evaluation mode) with the first exporter that agrees with PyTorch.

    Args:
        reference: the network's own outputs, from `run_module`.
        batch: fixed batch size, or None for a dynamic one.
        opset: ONNX operator set, at least 18.
        keeps_parameters: every parameter that the outputs depend on is an initialiser by its own
            name; normalisations are not folded into convolutions. For learning.

    Raises:
        CaptureFailed: neither exporter agrees and keeps the parameters; names the line of Python
            that no graph can hold, or the first node that differs.
    """
    from edgecnn_exporters.capture.output_groups import output_groups

    attempts: list[Attempt] = []
    differing: list[ir.Model] = []
    job = replace(job_of(module, reference, batch, opset), keeps_parameters=keeps_parameters)
    for name, export in EXPORTERS.items():
        try:
            with quiet():
                model = export(job)
            separate_outputs(model, reference.output_names)
            groups = output_groups(model, references(reference.batches))
            difference = compare_model(to_bytes(model), reference, groups)
        except ValuesBaked as baked:
            tried = "; ".join(f"{attempt.exporter} {attempt.outcome}" for attempt in attempts)
            raise CaptureFailed(_advice(baked, tried)) from baked
        except Exception as error:  # the exporters raise any exception
            cause = error.__cause__ or error  # dynamo wraps the cause in advice on torch.export
            reason = f"failed: {type(cause).__name__}: {first_line(cause)}"
            attempts.append(Attempt(name, reason))
            continue
        lost = lost_parameters(module, model, job.feed) if keeps_parameters else []
        shortcoming = _shortcoming(difference, lost)
        attempts.append(Attempt(name, shortcoming or "agrees with PyTorch", difference))
        if shortcoming is None:
            return Captured(model, name, tuple(attempts))
        if not lost:
            differing.append(model)
    raise CaptureFailed(_explain(module, reference, attempts, differing))


def _shortcoming(difference: Difference, lost: list[str]) -> str | None:
    """Why a model is not accepted, in words; None where it is."""
    if lost:
        return f"does not keep {', '.join(lost[:3])}"
    if not is_within(difference, "fp32"):
        return f"differs by {difference.relative:.1e} of the output"
    return None


def job_of(module: torch.nn.Module, reference: Reference, batch: int | None, opset: int) -> Job:
    """The job of an exporter, traced with the reference's input of batch 2, or the fixed batch."""
    size = TRACED_BATCH if batch is None else batch
    feed = next(feed for feed, _ in reference.batches if len(feed) == size)
    reads = cache(lambda: value_reads(module, feed))
    outputs = {name: _varying(name, reference) for name in reference.output_names}
    return Job(module, feed, outputs, batch, opset, reads)


def _varying(name: str, reference: Reference) -> dict[int, str]:
    """The axes of an output that differ with the batch; an axis that is the batch is named so."""
    batches = [len(feed) for feed, _ in reference.batches]
    extents = zip(*(outputs[name].shape for _, outputs in reference.batches), strict=True)
    return {
        axis: BATCH if list(sizes) == batches else f"{name}_{axis}"
        for axis, sizes in enumerate(extents)
        if len(set(sizes)) > 1
    }


def _advice(baked: ValuesBaked, tried: str) -> str:
    return (
        f"the network {baked}. A graph computes the same for every picture: compute both ways and "
        "choose with torch.where, keep numbers as tensors, or export a module that holds the one "
        f"way which you want. ({tried}; torchscript would keep what one picture gave.)"
    )


def _explain(
    module: torch.nn.Module,
    reference: Reference,
    attempts: list[Attempt],
    differing: list[ir.Model],
) -> str:
    from edgecnn_exporters.capture.locate import first_difference

    tried = "; ".join(f"{attempt.exporter} {attempt.outcome}" for attempt in attempts)
    message = f"no exporter agrees with PyTorch: {tried}"
    for model in differing:
        with contextlib.suppress(EdgeCNNError):
            if node := first_difference(module, model, reference):
                return f"{message}. The first node that differs: {node}"
    return message
