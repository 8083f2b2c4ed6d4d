"""Jobs and rows of networks.py: every network with its weights, and its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.interleave import RESULTS
from edgecnn.model.weights import RANDOM, shipped
from edgecnn.zoo import ARCHITECTURES

ENGINES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "tflite-runtime": "tflite-runtime",
}
# Their ImageNet weights can be had from a package registry.
PUBLISHED = ("mobilenet_v2", "efficientnet_lite0")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A network of the zoo with the weights of that name."""

    network: str
    weights: str

    @property
    def is_shipped(self) -> bool:
        """Whether it is a small trained form."""
        return self.weights in shipped(self.network)


def jobs() -> list[Job]:
    """Every network with random weights and with every trained ones, family by family."""
    return [
        Job(name, weights)
        for name, architecture in ARCHITECTURES.items()
        for weights in (
            RANDOM,
            *(list(architecture.weights)[:1] if name in PUBLISHED else ()),
            *shipped(name),
        )
    ]


def read_rows() -> dict[Job, Row]:
    """The newest row of each job."""
    path = RESULTS / "parity/networks.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {Job(row["network"], row["weights"]): row for row in map(json.loads, lines)}
