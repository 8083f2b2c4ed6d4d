"""Script of two processes: a step over halves of a batch against the whole batch, in float64."""

from __future__ import annotations

import copy
import json

import torch
from torch import nn

from edgecnn.train.distributed import group, share
from edgecnn.zoo import ARCHITECTURES


def compare(name: str) -> dict[str, float]:
    """Largest differences of loss, gradients (relative) and BatchNorm's statistics."""
    torch.manual_seed(0)
    network = ARCHITECTURES[name].build(classes=4, width=0.25, stem="small").double().train()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0
    alone = copy.deepcopy(network)
    images = torch.randn(12, 3, 16, 16, dtype=torch.float64)
    labels = torch.randint(0, 4, (12,))
    with group() as processes:
        shared = share(network, processes)
        mine = [part.chunk(processes.size)[processes.rank] for part in (images, labels)]
        loss = nn.functional.cross_entropy(shared(mine[0]), mine[1])
        torch.autograd.backward(loss)
        whole = nn.functional.cross_entropy(alone(images), labels)
        torch.autograd.backward(whole)
        mean = processes.total(float(loss.detach()))[0] / processes.size
    gradients = zip(network.parameters(), alone.parameters(), strict=True)
    buffers = zip(network.buffers(), alone.buffers(), strict=True)
    return {
        "rank": processes.rank,
        "loss": abs(mean - float(whole.detach())),
        "gradient": max(
            float((a.grad - b.grad).abs().max() / b.grad.abs().max())
            for a, b in gradients
            if a.grad is not None and b.grad is not None
        ),
        "statistics": max(float((a - b).abs().max()) for a, b in buffers),
    }


if __name__ == "__main__":
    print(json.dumps(compare("mobilenet_v1")))
