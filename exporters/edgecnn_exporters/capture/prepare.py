"""A copy of a PyTorch network, normalised for export; the user's own module stays as it is.

In evaluation mode, on the CPU, in float32, contiguous, without the wrappers of training.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.errors import first_line

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Prepared:
    """A network ready for export, and what was changed for it, for the user."""

    module: torch.nn.Module
    notes: tuple[str, ...] = ()


def prepare(module: torch.nn.Module, *, is_own: bool = False) -> Prepared:
    """A normalised copy of `module`. Of a prepared one it is an equal copy, without notes.

    Args:
        is_own: nobody else uses the module, so one that cannot be copied is changed itself.

    Raises:
        UnsupportedModel: a weight has no values here (meta device, lazy layer), is sparse or
            quantised; or the module cannot be copied and is not yet as it has to be.
    """
    _refuse_unready(module)
    notes = (
        *_wrapper_notes(module),
        *_training_notes(module),
        *_type_notes(module),
        *_layout_notes(module),
    )
    try:
        own = _copy(module)
    except Exception as error:  # a user's module may hold anything: locks, files, generators
        if not is_own and not notes and not module.training:
            return Prepared(module)
        if not is_own:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise UnsupportedModel(
                f"the network cannot be copied ({reason}), and the export would change it: "
                f"{'; '.join(notes) or 'in training mode'}. Pass it as it is to be exported: "
                ".eval().float()"
            ) from error
        own = unwrapped(module)
    return Prepared(_normalised(own), notes)


def _normalised(module: torch.nn.Module) -> torch.nn.Module:
    """The module itself in evaluation mode, on the CPU, in float32, contiguous."""
    import torch

    return module.eval().float().cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return] # an overload that the stubs lack


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The network inside of ``torch.compile``, ``DataParallel`` and their like."""
    inner = _inner(module)
    return module if inner is None else unwrapped(inner)


def _inner(module: torch.nn.Module) -> torch.nn.Module | None:
    """The module that a wrapper passes its input to unchanged; None of what is no wrapper."""
    children = dict(module.named_children())
    kind = type(module).__name__
    if list(children) == ["_orig_mod"]:  # OptimizedModule, of torch.compile
        return children["_orig_mod"]
    # DataParallel, DistributedDataParallel (torch's, apex's …), AveragedModel
    if list(children) == ["module"] and ("Parallel" in kind or kind == "AveragedModel"):
        return children["module"]
    return None


def _copy(module: torch.nn.Module) -> torch.nn.Module:
    """A deep copy, in which every wrapper is replaced by what it wraps."""
    memo: dict[int, Any] = {id(t): t.detach().clone() for t in _computed_tensors(module)}
    wrappers = [each for each in module.modules() if _inner(each) is not None]
    for wrapper in reversed(wrappers):  # inner ones first
        memo[id(wrapper)] = copy.deepcopy(unwrapped(wrapper), memo)
    return copy.deepcopy(unwrapped(module), memo)


def _computed_tensors(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Attributes that hold the result of a computation: deepcopy refuses these.

    The weight of `torch.nn.utils.weight_norm` is one; a hook computes it anew at each run.
    """
    import torch

    for layer in module.modules():
        for value in (*vars(layer).values(), *layer.buffers(recurse=False)):
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                yield value


def _refuse_unready(module: torch.nn.Module) -> None:
    import torch
    from torch.nn.parameter import is_lazy

    for name, value in _weights(module):
        if is_lazy(value):
            raise UnsupportedModel(
                f"weight {name} has no shape yet, as a lazy layer has before its first run: run "
                "the network on one input before you export it"
            )
        if value.is_meta:
            raise UnsupportedModel(
                f"weight {name} is on the meta device, which holds shapes without values: build "
                "the network on the CPU (without torch.device('meta')) and load its weights"
            )
        if value.is_quantized or value.layout is not torch.strided:
            kind = "quantised" if value.is_quantized else str(value.layout)
            raise UnsupportedModel(
                f"weight {name} is {kind}, expected a dense float tensor: pass the float network; "
                ".dequantize() or .to_dense() makes such a weight"
            )


def _weights(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _wrapper_notes(module: torch.nn.Module) -> Iterator[str]:
    kinds = [type(each).__name__ for each in module.modules() if _inner(each) is not None]
    if kinds:
        names = " and ".join(dict.fromkeys(kinds))
        compiled = " (torch.compile)" if "OptimizedModule" in kinds else ""
        yield f"wrapped in {names}{compiled}: the network inside is exported"


def _training_notes(module: torch.nn.Module) -> Iterator[str]:
    """Layers in training mode, of kinds that compute something else in it."""
    from torch.nn.modules.batchnorm import _NormBase
    from torch.nn.modules.dropout import _DropoutNd

    kinds = [
        type(layer).__name__
        for layer in module.modules()
        if layer.training and isinstance(layer, (_NormBase, _DropoutNd))
    ]
    if kinds:
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        yield f"in training mode ({counts}): exported in evaluation mode, as after .eval()"


def _type_notes(module: torch.nn.Module) -> Iterator[str]:
    import torch

    kinds = {
        str(value.dtype).removeprefix("torch.")
        for _, value in _weights(module)
        if value.is_floating_point() and value.dtype != torch.float32
    }
    if kinds:
        yield f"weights in {' and '.join(sorted(kinds))}: exported in float32"


def _layout_notes(module: torch.nn.Module) -> Iterator[str]:
    if any(value.ndim in (4, 5) and not value.is_contiguous() for _, value in _weights(module)):
        yield "weights in channels_last memory format: exported in contiguous format"
