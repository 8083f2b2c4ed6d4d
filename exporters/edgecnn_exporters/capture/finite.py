"""Weights that are not finite: NaN nowhere, infinity where it is meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgecnn_exporters.errors import NonFiniteWeights

if TYPE_CHECKING:
    import torch

# Infinite when a training diverged, never on purpose.
STATISTICS = ("running_mean", "running_var")


def non_finite_weights(module: torch.nn.Module) -> list[str]:
    """Names of the weights that no finished training leaves.

    NaN is none anywhere. Infinity is none in a trained parameter or in a normalisation's
    statistics; other buffers may hold it: an attention mask is -inf where nothing is to be seen.
    """
    import torch

    return [
        name
        for name, value, may_be_infinite in _weights(module)
        if bool(torch.isnan(value).any())
        or (not may_be_infinite and bool(torch.isinf(value).any()))
    ]


def _weights(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor, bool]]:
    for name, parameter in module.named_parameters():
        yield name, parameter, not parameter.requires_grad
    for name, buffer in module.named_buffers():
        yield name, buffer, not name.endswith(STATISTICS)


def refuse_non_finite(names: Sequence[str]) -> None:
    """Refuse a network with such weights.

    Raises:
        NonFiniteWeights: there are any.
    """
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise NonFiniteWeights(
            f"weight {names[0]}{others} holds NaN or infinity; nothing trained can be exported "
            "from it: go back to an earlier checkpoint"
        )
