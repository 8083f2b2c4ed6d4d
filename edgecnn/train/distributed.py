"""Several processes as one: what ``torchrun`` starts."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Group:
    """This process among `size`; rank 0 writes and talks."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def total(self, *values: float) -> list[float]:
        """The sums of these numbers over all processes."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(summed)
        return [float(value) for value in summed]

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()


def is_first() -> bool:
    """Whether this process is the one that writes and talks."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def group() -> Iterator[Group]:
    """The group that ``torchrun`` made, or this process alone. Left as it was found."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(0, 1)
        return
    is_mine = not distributed.is_initialized()
    if is_mine:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Group(distributed.get_rank(), size)
        # Nobody leaves while another still talks to it: gloo would abort the process.
        distributed.barrier()
    finally:
        if is_mine:
            # DistributedDataParallel is part of a cycle, and must not outlive the group.
            gc.collect()
            distributed.destroy_process_group()


class GlobalBatchNorm(nn.BatchNorm2d):
    """BatchNorm over the batches of all processes together, on the CPU as well.

    PyTorch's SyncBatchNorm runs on GPUs only. Every process has the same number of images.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        count = x.numel() / x.shape[1] * distributed.get_world_size()
        mean = _total(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = _total(centred.square().sum((0, 2, 3))) / count
        self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalised: torch.Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


def _total(local: torch.Tensor) -> torch.Tensor:
    summed: torch.Tensor = _Total.apply(local)  # type: ignore[no-untyped-call]  # torch's omission
    return summed


class _Total(torch.autograd.Function):
    """The sum over all processes; what each contributed gets the sum of their gradients."""

    @staticmethod
    def forward(context: Any, local: torch.Tensor) -> torch.Tensor:
        summed = local.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        summed = gradient.clone()
        distributed.all_reduce(summed)
        return summed


def share(network: nn.Module, group: Group) -> nn.Module:
    """The network whose gradients are averaged and whose BatchNorm is common; alone, as it is."""
    if group.size == 1:
        return network
    for layer in network.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = GlobalBatchNorm
    return nn.parallel.DistributedDataParallel(network)
