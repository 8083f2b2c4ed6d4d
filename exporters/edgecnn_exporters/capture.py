"""From ``nn.Module`` to ONNX, accepted only when it answers as PyTorch does.

PyTorch has two exporters, and each is known to be wrong, without a word, for some networks
(pytorch#169178, #166797). Both are tried in turn; the first whose model agrees with PyTorch on
real pictures, at every batch size, is kept.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.errors import CaptureFailed
from edgecnn_runtime.engines import Array
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import EdgeCNNError, first_line
from edgecnn_runtime.golden import Difference, difference, is_within

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

BATCHES = (1, 2, 3, 7)
INPUT = "input"
TRACED_BATCH = 2  # 1 would be taken for a constant

Float = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Attempt:
    """What one exporter made of the network: `outcome` says in words why it was kept or not."""

    exporter: str
    outcome: str
    difference: Difference | None = None


@dataclass(frozen=True)
class Reference:
    """What the original network answers: (input, outputs by name) at each batch size."""

    batches: tuple[tuple[Float, dict[str, Array]], ...]

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.batches[0][1])


@dataclass(frozen=True)
class Captured:
    """The accepted model and how it came about."""

    model: ir.Model
    exporter: str
    attempts: tuple[Attempt, ...]


def capture(
    module: torch.nn.Module, reference: Reference, *, batch: int | None, opset: int
) -> Captured:
    """Export `module` (in evaluation mode) with the first exporter that agrees with PyTorch.

    Args:
        reference: the network's own answers, from `run_module`.
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
            found = compare_model(to_bytes(model), reference)
        except Exception as error:  # the exporters raise whatever went wrong inside them
            cause = error.__cause__ or error  # dynamo wraps what it met in advice on torch.export
            reason = f"failed: {type(cause).__name__}: {first_line(cause)}"
            attempts.append(Attempt(name, reason))
            continue
        if is_within(found, "fp32"):
            attempts.append(Attempt(name, "agrees with PyTorch", found))
            return Captured(model, name, tuple(attempts))
        attempts.append(Attempt(name, f"differs by {found.relative:.1e} of the output", found))
        differing.append(model)
    raise CaptureFailed(_explain(module, reference, attempts, differing))


def run_module(module: torch.nn.Module, feeds: Sequence[Float]) -> Reference:
    """Run the PyTorch network on each of `feeds`, (batch, …) arrays.

    Raises:
        CaptureFailed: it does not run on its input, or returns no tensor.
    """
    import torch

    results = []
    for feed in feeds:
        try:
            with torch.no_grad():
                outputs = module(torch.from_numpy(feed))
        except Exception as error:  # whatever a network raises from its forward
            shape = "x".join(map(str, feed.shape))
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise CaptureFailed(
                f"the network does not run on an input of {shape}: {reason}"
            ) from error
        results.append((feed, _named(outputs)))
    return Reference(tuple(results))


def compare_model(model: bytes, reference: Reference) -> Difference:
    """Run the ONNX model in ONNX Runtime on every batch of `reference`, and compare.

    Raises:
        EngineError: ONNX Runtime refuses or fails.
        ValueError: an output has another shape.
    """
    engine = OnnxRuntimeEngine.open(model)
    (spec,) = engine.inputs
    return difference(
        (expected[name], found[name])
        for feed, expected in reference.batches
        for found in [engine.run({spec.name: feed})]
        for name in expected
    )


def to_bytes(model: ir.Model) -> bytes:
    """The model as an ONNX protobuf message, the same bytes for the same model."""
    import onnx_ir as ir

    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return content


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


def _trace_input(reference: Reference, batch: int | None) -> Float:
    size = TRACED_BATCH if batch is None else batch
    return next(feed for feed, _ in reference.batches if len(feed) == size)


def _named(outputs: object) -> dict[str, Array]:
    """The tensors that a network returned, by name: `logits` for one, `output_0` … for several."""
    import torch
    from torch.utils import _pytree

    leaves = _pytree.tree_leaves(outputs)
    if not leaves or not all(isinstance(leaf, torch.Tensor) for leaf in leaves):
        kinds = ", ".join(sorted({type(leaf).__name__ for leaf in leaves})) or "nothing"
        raise CaptureFailed(f"the network returns {kinds}, expected tensors")
    names = ["logits"] if len(leaves) == 1 else [f"output_{i}" for i in range(len(leaves))]
    return {name: leaf.numpy() for name, leaf in zip(names, leaves, strict=True)}


def _explain(
    module: torch.nn.Module,
    reference: Reference,
    attempts: list[Attempt],
    differing: list[ir.Model],
) -> str:
    from edgecnn_exporters.parity.locate import first_difference

    tried = "; ".join(f"{attempt.exporter} {attempt.outcome}" for attempt in attempts)
    message = f"no exporter agrees with PyTorch: {tried}"
    for model in differing:
        with contextlib.suppress(EdgeCNNError):
            if node := first_difference(module, model, reference):
                return f"{message}. The first node that differs: {node}"
    return message


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters' warnings speak of torch's inside; what matters here is the comparison."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
