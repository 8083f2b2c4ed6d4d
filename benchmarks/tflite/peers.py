"""Shared by the TFLite benchmarks: their networks, and the peers' files.

litert-torch and ai-edge-quantizer are no dependencies of edgecnn: ``pip install litert-torch
ai-edge-quantizer 'edgecnn[all]'`` in an environment of its own.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from benchmarks.tflite.litert import quiet_import, silence
from edgecnn.model.build import build_network
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.examples import example_images
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.image.preprocess import preprocess

FIVE = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "resnet50")
PEERS = ("litert_torch", "ai_edge_quantizer")


def require_peers() -> None:
    """End the process where a peer is missing, with a message how to install it."""
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed; see the head of {__file__}")


def network_and_images(name: str, count: int) -> tuple[Network, list[Float32]]:
    """The full-size network, and photographs as its inputs, (1, C, H, W) each.

    Random weights do not change speed. Every BatchNorm has weights of chance and the statistics of
    the photographs, so that activations have ranges as a trained network's.
    """
    network = build_network(resolve(name), NetworkOptions("random", quiet=True))
    assert network.preprocess is not None
    samples = [preprocess(image, network.preprocess) for image in example_images(count)]
    torch.manual_seed(1)
    for layer in network.module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            layer.momentum = None
    with torch.no_grad():
        network.module.train()(torch.from_numpy(np.concatenate(samples)))
    network.module.eval()
    return network, samples


def by_litert_torch(module: nn.Module, shape: Sequence[int], *, channels_last: bool) -> bytes:
    """The peer's file for one input (C, H, W); images channels last on request."""
    litert_torch = quiet_import("litert_torch")
    sizes = (1, shape[1], shape[2], shape[0]) if channels_last else (1, *shape)
    if channels_last:
        module = litert_torch.to_channel_last_io(module, args=[0])
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(litert_torch.convert(module, (torch.zeros(sizes),)).model_content())
