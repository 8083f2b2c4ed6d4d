"""Blocks of random weights in small networks: exported as `edgecnn export` does, timed on engines.

A network is a first convolution, some equal blocks, pooling and ten classes. The same network
without blocks is timed in the same rounds; what a block takes is the difference, divided by their
number: no first layer, no pooling, no call is in it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import edgecnn
import edgecnn_runtime
from benchmarks.in_turn import Run, Turns, in_turn
from edgecnn.zoo import CIFAR
from edgecnn.zoo.blocks import ConvBNActivation
from edgecnn_exporters.capture.examples import example_images
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.image.preprocess import preprocess

ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "tflite": "LiteRT"}
PRECISIONS = ("fp32", "int8")
IMAGES = 24
CALIBRATION = 16
# Of answers over images, relative to their size: below it a network says nothing of its input.
LEAST_SPREAD = 0.1


class Blocks(nn.Module):
    """(N, 3, H, W) → (N, 10): a first 3×3 convolution to `channels`, the blocks, pooling, classes.

    Args:
        out_channels: of the last block; `channels` without blocks.
    """

    def __init__(self, channels: int, blocks: Sequence[nn.Module], out_channels: int) -> None:
        super().__init__()
        first = ConvBNActivation(3, channels, kernel_size=3, activation=nn.ReLU)
        self.features = nn.Sequential(first, *blocks)
        self.classifier = nn.Linear(out_channels, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = nn.functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: torch.Tensor = self.classifier(features)
        return logits


def alive(module: nn.Module, images: Float32) -> nn.Module:
    """The network in evaluation mode, each batch norm with the statistics of `images` (N, 3, H, W).

    Random weights without them let all images look alike after a few layers.

    Raises:
        AssertionError: its answers hardly change between images.
    """
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        module.train()(torch.from_numpy(images))
        answers = module.eval()(torch.from_numpy(images)).numpy()
    spread = float(np.median(answers.std(0)) / np.sqrt(np.mean(answers**2)))
    assert spread > LEAST_SPREAD, f"answers vary by {spread:.1%} of their size between images"
    return module


@functools.cache
def photographs(side: int) -> Float32:
    """Photographs (N, 3, `side`, `side`) as the networks read them."""
    spec = replace(CIFAR, resize=(side, side))
    return np.concatenate([preprocess(image, spec) for image in example_images(IMAGES)])


def exported(
    build: Callable[[], nn.Module],
    side: int,
    path: Path,
    targets: Sequence[str] = ("tflite", "openvino"),
    precisions: Sequence[str] = PRECISIONS,
) -> Path:
    """The bundle of a network, by default fp32 and int8 in every format; made if it is missing."""
    if path.exists():
        return path
    print(f"exporting {path}", file=sys.stderr, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    quantising: dict[str, Any] = {}
    if "int8" in precisions:
        quantising = {
            "quantize": "int8",
            "calibrate": photographs(side)[:CALIBRATION],
            "samples": CALIBRATION,
            "recipe": "fast",
            "allow_weak": True,
        }
    edgecnn.export(
        alive(build(), photographs(side)),
        (3, side, side),
        path,
        name=path.stem,
        batch=1,
        preprocess=replace(CIFAR, resize=(side, side)),
        measure=False,
        targets=targets,
        **quantising,
    )
    return path


def timed(
    paths: Mapping[str, Path],
    side: int,
    rounds: int,
    block_ms: float,
    *,
    engines: Sequence[str] = tuple(ENGINES),
    precisions: Sequence[str] = PRECISIONS,
    others: Mapping[str, Run] | None = None,
) -> Turns:
    """Every bundle on every engine and precision, one thread, batch 1, and the others, in turn.

    A candidate is called "ENGINE PRECISION NAME", NAME its key in `paths`.
    """
    candidates = dict(others or {})
    with ExitStack() as stack:
        for engine in engines:
            for precision in precisions:
                for name, path in paths.items():
                    session = stack.enter_context(
                        edgecnn_runtime.open(path, engine=engine, precision=precision, threads=1)
                    )
                    feeds = {session.manifest.inputs[0].name: photographs(side)[:1]}
                    run = functools.partial(session.engine.run, feeds)
                    candidates[f"{engine} {precision} {name}"] = run
        return in_turn(candidates, rounds, block_ms)


def places() -> list[str]:
    """Engine and precision of every column."""
    return [f"{engine} {precision}" for precision in PRECISIONS for engine in ENGINES]
