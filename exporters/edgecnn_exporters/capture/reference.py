"""Reference outputs of the original network, and the difference of an ONNX model from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn_exporters.errors import CaptureFailed
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.parity.difference import Answer, Difference, compare

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch


@dataclass(frozen=True)
class Reference:
    """Reference outputs of the original network: (input, outputs by name) at each batch size."""

    batches: tuple[tuple[Float32, dict[str, Array]], ...]

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in the network's order."""
        return tuple(self.batches[0][1])


def run_module(module: torch.nn.Module, feeds: Sequence[Float32]) -> Reference:
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
        except Exception as error:  # forward may raise anything
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
    return compare(
        Answer(name, expected[name], outputs[name])
        for feed, expected in reference.batches
        for outputs in [engine.run({spec.name: feed})]
        for name in expected
    )


def to_bytes(model: ir.Model) -> bytes:
    """The model as an ONNX protobuf message, the same bytes for the same model."""
    import onnx_ir as ir

    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return content


def run_model(model: bytes, feeds: Sequence[Float32]) -> Reference:
    """Run an ONNX model on each of `feeds`.

    Raises:
        EngineError: ONNX Runtime refuses or fails.
    """
    engine = OnnxRuntimeEngine.open(model)
    (spec,) = engine.inputs
    return Reference(tuple((feed, engine.run({spec.name: feed})) for feed in feeds))


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
