"""The networks that networks.py proves, and their bundles."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from benchmarks.parity.rows import Job
from edgecnn.exporting.quantise import QuantiseOptions, quantised
from edgecnn.model.build import build_network
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn.model.weights import RANDOM
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.errors import TargetDiffers
from edgecnn_exporters.export import export_module
from edgecnn_exporters.exported import Exported
from edgecnn_exporters.targets import make_target
from edgecnn_runtime.bundle.archive import MAX_TOTAL_BYTES
from edgecnn_runtime.tensor_spec import TensorSpec

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from edgecnn.model.settle import settle

# Bytes of a weight in all float artefacts: ONNX in 32 bits, TFLite and OpenVINO in 32 and 16.
BYTES_A_WEIGHT = 4 + 2 * (4 + 2)
TARGETS = ("tflite", "openvino")


def build(job: Job) -> Network:
    """The network, the same at every call."""
    torch.manual_seed(0)
    network = build_network(resolve(job.network), NetworkOptions(job.weights, quiet=True))
    if job.weights == RANDOM:
        settle(network.module, network.shape, network.preprocess)
    return network


def bundles_of(network: Network) -> list[tuple[str, ...]]:
    """The targets of each bundle: all in one, or each in its own where that would be too large."""
    weights = sum(value.numel() for value in network.module.state_dict().values())
    if weights * BYTES_A_WEIGHT < MAX_TOTAL_BYTES:
        return [TARGETS]
    return [(name,) for name in TARGETS]


def export(
    network: Network, targets: tuple[str, ...], precisions: set[str], path: Path
) -> tuple[Exported, dict[str, str]]:
    """The bundle in float32 and these precisions, as `edgecnn export --target` writes it.

    Also why it refused to write a precision: the rest is then proven without it.
    """
    refused: dict[str, str] = {}
    while True:
        wanted = precisions - {*refused}
        request = Request(
            name=network.name,
            input=TensorSpec("input", "float32", (None, *network.shape)),
            preprocess=network.preprocess,
            targets=tuple(map(make_target, targets)),
            half="fp16" in wanted,
        )
        options = QuantiseOptions() if "int8" in wanted else None
        try:
            with quantised(request, options, network.data, quiet=True) as (request, _):
                return export_module(network.module, request, path, lambda stage: None), refused
        except TargetDiffers as error:
            reason = str(error).partition(";")[0]
            named = [precision for precision in wanted if f".{precision}." in reason]
            if not named:
                raise
            refused[named[0]] = reason


def transposes(exported: Exported) -> int:
    """TRANSPOSE operators in all TFLite files together."""
    files = [each for each in exported.translated if each.artefact.format == "tflite"]
    return sum(each.operators.get("TRANSPOSE", 0) for each in files)
