"""Export of an ``nn.Module`` to ONNX, accepted only when its outputs agree with PyTorch's.

PyTorch has two exporters, and each is silently wrong for some networks (pytorch#169178,
#166797). Both are tried in turn; the first whose model agrees with PyTorch on real images, at
every batch size, is kept.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn_exporters.capture.reference import Reference, compare_model, to_bytes
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.errors import EdgeCNNError, first_line
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.tolerances import is_within

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

INPUT = "input"
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
    module: torch.nn.Module, reference: Reference, *, batch: int | None, opset: int
) -> Captured:
    """Export `module` (in evaluation mode) with the first exporter that agrees with PyTorch.

    Args:
        reference: the network's own outputs, from `run_module`.
        batch: fixed batch size, or None for a dynamic one.
        opset: ONNX operator set, at least 18.

    Raises:
        CaptureFailed: neither exporter agrees; names the first node that differs.
    """
    attempts: list[Attempt] = []
    differing: list[ir.Model] = []
    for name, export in _EXPORTERS.items():
        try:
            with _quiet():
                model = export(module, reference, batch, opset)
            difference = compare_model(to_bytes(model), reference)
        except Exception as error:  # the exporters raise any exception
            cause = error.__cause__ or error  # dynamo wraps the cause in advice on torch.export
            reason = f"failed: {type(cause).__name__}: {first_line(cause)}"
            attempts.append(Attempt(name, reason))
            continue
        if is_within(difference, "fp32"):
            attempts.append(Attempt(name, "agrees with PyTorch", difference))
            return Captured(model, name, tuple(attempts))
        outcome = f"differs by {difference.relative:.1e} of the output"
        attempts.append(Attempt(name, outcome, difference))
        differing.append(model)
    raise CaptureFailed(_explain(module, reference, attempts, differing))


def _by_dynamo(
    module: torch.nn.Module, reference: Reference, batch: int | None, opset: int
) -> ir.Model:
    import torch

    program = torch.onnx.export(
        module,
        (torch.from_numpy(_trace_input(reference, batch)),),
        dynamo=True,
        opset_version=opset,
        input_names=[INPUT],
        output_names=list(reference.output_names),
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},) if batch is None else None,
        verbose=False,
    )
    if program is None:  # only where torch.onnx.export writes a file itself
        raise CaptureFailed("torch.onnx.export returned no program")
    return program.model


def _by_torchscript(
    module: torch.nn.Module, reference: Reference, batch: int | None, opset: int
) -> ir.Model:
    import onnx
    import onnx_ir as ir
    import torch

    names = [INPUT, *reference.output_names]
    stream = io.BytesIO()
    torch.onnx.export(
        module,
        (torch.from_numpy(_trace_input(reference, batch)),),
        stream,  # type: ignore[arg-type] # with dynamo=False it takes a stream, as documented
        dynamo=False,
        opset_version=opset,
        input_names=[INPUT],
        output_names=list(reference.output_names),
        dynamic_axes={name: {0: "N"} for name in names} if batch is None else None,
    )
    return ir.from_proto(onnx.load_from_string(stream.getvalue()))


_EXPORTERS: dict[str, Callable[[torch.nn.Module, Reference, int | None, int], ir.Model]] = {
    "dynamo": _by_dynamo,
    "torchscript": _by_torchscript,
}


def _trace_input(reference: Reference, batch: int | None) -> Float32:
    size = TRACED_BATCH if batch is None else batch
    return next(feed for feed, _ in reference.batches if len(feed) == size)


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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporters' warnings on torch's internals: the comparison decides."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
