"""Factories of the networks in networks.py: ``benchmarks.outside.factories:tv_resnet18``.

Each call builds the same network: random weights from one seed, settled on photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchmarks.outside.networks import NETWORKS, OutsideNetwork
from benchmarks.outside.settle import settle

SEED = 0


def __getattr__(name: str) -> Callable[[], nn.Module]:
    """The factory of the network of that name."""
    if name not in NETWORKS:
        raise AttributeError(f"no network of benchmarks.outside.networks is called {name!r}")
    return partial(build, NETWORKS[name])


def build(network: OutsideNetwork) -> nn.Module:
    """The network with settled random weights, in evaluation mode."""
    torch.manual_seed(SEED)
    builder = _from_torchvision if network.package == "torchvision" else _from_timm
    module = builder(network).eval()
    settle(module, network.size)
    return module


class DetectorBody(nn.Module):
    """A one-stage detector's backbone and heads, without anchors and suppression."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = detector.backbone, detector.head

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        outputs: dict[str, torch.Tensor] = self.head(list(self.backbone(images).values()))
        return outputs


def _from_torchvision(network: OutsideNetwork) -> nn.Module:
    _define_operators()
    from torchvision.models import get_model

    module: nn.Module = get_model(network.builder, weights=None, **network.arguments)
    if network.part == "body":
        return DetectorBody(module)
    return module.backbone if network.part == "backbone" else module


def _from_timm(network: OutsideNetwork) -> nn.Module:
    _define_operators()
    import timm

    is_features = network.part == "features"
    module: nn.Module = timm.create_model(
        network.builder, pretrained=False, features_only=is_features, **network.arguments
    )
    return module


def _define_operators() -> None:
    """Declare torchvision's operators where its compiled library does not load.

    torchvision built for CUDA does not load beside the CPU build of torch, and its import then
    fails for want of ``torchvision::nms``.
    """
    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl("nms", suppress, "CPU")
        _LIBRARIES.append(library)
        import torchvision

        torchvision.extension._has_ops = lambda: True


# A library takes its operators with it when it is collected.
_LIBRARIES: list[torch.library.Library] = []


def suppress(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Indices of the boxes, (n, 4) as x1 y1 x2 y2, that no better one overlaps: ``nms``."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        if kept:
            corner = torch.maximum(boxes[kept, :2], boxes[index, :2])
            other = torch.minimum(boxes[kept, 2:], boxes[index, 2:])
            shared = (other - corner).clamp(min=0).prod(1)
            if (shared / (area[kept] + area[index] - shared) > iou_threshold).any():
                continue
        kept.append(index)
    return torch.tensor(kept, dtype=torch.int64)
