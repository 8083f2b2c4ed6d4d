"""Simulation of a QDQ graph in float arithmetic, without any integer kernel."""

from __future__ import annotations

from edgecnn_exporters.bundle.examples import Examples
from edgecnn_runtime.engines.onnxruntime import (
    OnnxRuntimeEngine,
    open_session,
    unoptimised_options,
)
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.parity.difference import Difference


def simulate(qdq: bytes, manifest: Manifest, examples: Examples) -> Difference:
    """Difference of a QDQ graph from the original, each node computed by itself in float32.

    ONNX Runtime without graph optimisation fuses nothing into its integer kernels, so that a wrong
    one is found: its AveragePool divides the windows of `ceil_mode` by the whole window.
    """
    engine = OnnxRuntimeEngine(open_session(qdq, unoptimised_options()))
    try:
        return examples.compare(engine, manifest.inputs[0].name).judged
    finally:
        engine.close()
