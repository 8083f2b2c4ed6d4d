"""Distributed training over the processes that ``torchrun`` starts."""

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
class ProcessGroup:
    """Rank of this process and number of processes; rank 0 writes and prints."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def total(self, *values: float) -> list[float]:
        """The sums of these numbers over all processes; every process gets the same bits."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=own_device())
        distributed.all_reduce(summed)
        return [float(value) for value in summed.tolist()]

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            distributed.barrier()


def own_device() -> torch.device:
    """A GPU of this process's own; the CPU where its machine has too few for its processes."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus < int(os.environ.get("LOCAL_WORLD_SIZE", "1")):
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextlib.contextmanager
def group() -> Iterator[ProcessGroup]:
    """The group that ``torchrun`` made, or this process alone. Left as it was found."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup(0, 1)
        return
    is_mine = not distributed.is_initialized()
    if is_mine:
        _join()
    try:
        yield ProcessGroup(distributed.get_rank(), size)
        # Nobody leaves while another still talks to it: gloo would abort the process.
        distributed.barrier()
    finally:
        if is_mine:
            # DistributedDataParallel is part of a cycle, and must not outlive the group.
            gc.collect()
            distributed.destroy_process_group()


def _join() -> None:
    device = own_device()
    if device.type == "cpu":
        distributed.init_process_group("gloo")
    else:
        # Without it every process's collectives would begin on the first GPU.
        torch.cuda.set_device(device)
        distributed.init_process_group("nccl", device_id=device)


class GlobalBatchNorm(nn.BatchNorm2d):
    """BatchNorm over the batches of all processes together, on the CPU as well.

    PyTorch's SyncBatchNorm runs on GPUs only. Every process has the same number of images.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in and out."""
        if not self.training:
            return super().forward(x)
        count = x.numel() / x.shape[1] * distributed.get_world_size()
        mean = _total(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = _total(centred.square().sum((0, 2, 3))) / count
        self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = torch.rsqrt(variance + self.eps)
        if not self.affine:
            return centred * scale[:, None, None]
        scaled: torch.Tensor = centred * (self.weight * scale)[:, None, None]
        return scaled + self.bias[:, None, None]

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        # Without momentum the statistics are the mean over all batches so far.
        count = float(self.num_batches_tracked)
        momentum = 1 / count if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


def _total(local: torch.Tensor) -> torch.Tensor:
    summed: torch.Tensor = _Total.apply(local)  # type: ignore[no-untyped-call]  # torch's omission
    return summed


class _Total(torch.autograd.Function):
    """The sum over all processes; what each contributed gets the sum of their gradients."""

    @staticmethod
    def forward(context: Any, local: torch.Tensor) -> torch.Tensor:
        summed = local.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        # Contiguous: a gradient may be one number seen many times, which no sum can be put into.
        summed = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed


def share(network: nn.Module, group: ProcessGroup) -> nn.Module:
    """Wrap a network for several processes: averaged gradients and common BatchNorm statistics.

    A single process gets the network as it is.

    On GPUs BatchNorm is PyTorch's SyncBatchNorm, which counts in fp32 under autocast too.
    """
    if group.size == 1:
        return network
    if own_device().type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    for layer in network.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = GlobalBatchNorm
    return nn.parallel.DistributedDataParallel(network)
