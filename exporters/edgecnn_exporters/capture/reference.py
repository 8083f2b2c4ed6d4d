"""Reference outputs of the original network, and the difference of an ONNX model from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edgecnn_exporters.errors import CaptureFailed
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import first_line
from edgecnn_runtime.parity.difference import Answer, Difference, Groups, compare
from edgecnn_runtime.tensor_spec import DTYPES

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

# An input, and the network's outputs for it by name.
Example: TypeAlias = tuple[Float32, Mapping[str, Array]]


@dataclass(frozen=True)
class Reference:
    """Reference outputs of the original network.

    Attributes:
        batches: an example of each batch size.
        golden: the examples that the bundle is to carry, each from a run of its own: an output
            need not have the batch as its first axis, so none is ever cut out of a larger batch.
    """

    batches: tuple[Example, ...]
    golden: tuple[Example, ...] = ()

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in the network's order."""
        return tuple(self.batches[0][1])


def run_module(
    module: torch.nn.Module, feeds: Sequence[Float32], golden: Sequence[Float32] = ()
) -> Reference:
    """Run the PyTorch network on copies of `feeds` and `golden`, (batch, …) arrays.

    Raises:
        CaptureFailed: it does not run on its input, or returns no tensors that engines have.
    """
    return Reference(
        tuple((feed, run_once(module, feed)) for feed in feeds),
        tuple((feed, run_once(module, feed)) for feed in golden),
    )


def run_once(module: torch.nn.Module, feed: Float32) -> dict[str, Array]:
    """The network's outputs for a copy of `feed`, which a forward may work on in place.

    Raises:
        CaptureFailed: as `run_module`.
    """
    import torch

    try:
        with torch.no_grad():
            outputs = module(torch.from_numpy(feed.copy()))
    except Exception as error:  # forward may raise anything
        shape = "x".join(map(str, feed.shape))
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise CaptureFailed(f"the network does not run on an input of {shape}: {reason}") from error
    return _named(outputs)


def references(examples: Sequence[Example]) -> Iterator[Answer]:
    """The original's outputs as its own answers."""
    for _, expected in examples:
        yield from (Answer(name, array, array) for name, array in expected.items())


def compare_model(model: bytes, reference: Reference, groups: Groups | None = None) -> Difference:
    """Run the ONNX model in ONNX Runtime on every batch of `reference`, and compare.

    Args:
        groups: of each output's channels; None finds them from the reference, without full scales.

    Raises:
        EngineError: ONNX Runtime refuses or fails.
        ValueError: an output has another shape.
    """
    engine = OnnxRuntimeEngine.open(model)
    (spec,) = engine.inputs
    return compare(
        (
            Answer(name, expected[name], outputs[name])
            for feed, expected in reference.batches
            for outputs in [engine.run({spec.name: feed})]
            for name in expected
        ),
        groups,
    )


def to_bytes(model: ir.Model) -> bytes:
    """The model as an ONNX protobuf message, the same bytes for the same model."""
    import onnx_ir as ir

    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return content


def run_model(model: bytes, feeds: Sequence[Float32], golden: Sequence[Float32] = ()) -> Reference:
    """Run an ONNX model on each of `feeds` and `golden`.

    Raises:
        EngineError: ONNX Runtime refuses or fails.
    """
    engine = OnnxRuntimeEngine.open(model)
    (spec,) = engine.inputs
    return Reference(
        tuple((feed, engine.run({spec.name: feed})) for feed in feeds),
        tuple((feed, engine.run({spec.name: feed})) for feed in golden),
    )


def check_outputs(reference: Reference) -> None:
    """Refuse what no graph and no comparison can hold.

    Raises:
        CaptureFailed: an output holds NaN or infinity, has another number of axes at another
            batch size, or there are more outputs at one batch size than at another.
    """
    first_feed, first = reference.batches[0]
    for feed, outputs in (*reference.batches, *reference.golden):
        if outputs.keys() != first.keys():
            raise CaptureFailed(
                f"the network returns {len(first)} tensors at batch {len(first_feed)} and "
                f"{len(outputs)} at batch {len(feed)}, expected the same number: return tensors "
                "over the whole batch, not one for each image"
            )
        for name, array in outputs.items():
            _check_rank(name, first_feed, first[name], feed, array)
            _check_finite(name, feed, array)


def _check_rank(name: str, feed: Float32, array: Array, other: Float32, answer: Array) -> None:
    if array.ndim != answer.ndim:
        raise CaptureFailed(
            f"output {name} has shape {array.shape} at batch {len(feed)} and {answer.shape} at "
            f"batch {len(other)}: it loses an axis with the batch size, as x.squeeze() does at "
            "batch 1; name the axes, as in x.squeeze(1) or x.flatten(1), or fix the batch: "
            "--batch 1"
        )


def _check_finite(name: str, feed: Float32, array: Array) -> None:
    """Refuse NaN and infinity: nothing compares equal to them."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CaptureFailed(
            f"the network itself answers NaN or infinity ({name}, on photographs at batch "
            f"{len(feed)}): its values overflow, as those of a very deep one do before it "
            "is trained; check weights and preprocessing"
        )


def _named(outputs: object) -> dict[str, Array]:
    """The tensors that a network returned, by name: `logits` for one, `output_0` … for several."""
    import torch
    from torch.utils import _pytree

    leaves = _pytree.tree_leaves(outputs)
    if not leaves or not all(isinstance(leaf, torch.Tensor) for leaf in leaves):
        kinds = ", ".join(sorted({type(leaf).__name__ for leaf in leaves})) or "nothing"
        raise CaptureFailed(f"the network returns {kinds}, expected tensors")
    names = ["logits"] if len(leaves) == 1 else [f"output_{i}" for i in range(len(leaves))]
    return {name: _array(name, leaf) for name, leaf in zip(names, leaves, strict=True)}


def _array(name: str, output: torch.Tensor) -> Array:
    """A copy of an output: the network may return its input, or a buffer that it changes."""
    import torch

    if output.is_quantized or output.layout is not torch.strided:
        kind = "quantised" if output.is_quantized else str(output.layout)
        raise CaptureFailed(f"output {name} is {kind}, expected a dense tensor: .to_dense() is one")
    dtype = str(output.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        fix = "torch.view_as_real(x)" if output.is_complex() else "x without the cast, or x.float()"
        raise CaptureFailed(
            f"output {name} is {dtype}, expected one of {', '.join(sorted(DTYPES))}; return {fix}"
        )
    array: Array = output.detach().cpu().numpy().copy()
    return array
