"""Parity of other converters with ours: every family's first network, in float.

Usage: python -m benchmarks.parity.other_converters [NETWORK …]

The same network, in the thin form of tests/parity (so pytest is needed too), is run by PyTorch, by
ONNX Runtime from the canonical graph, and by LiteRT from our TFLite file and from litert-torch's.
Printed is how far each is from PyTorch on photographs: the largest difference over the largest
logit, and how often top-1 is the same; last, how far ours and litert-torch's are from one another.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.interleave import keep
from benchmarks.quantise.quantisers import onnxruntime_run
from benchmarks.tflite.litert import TO_NHWC, LiteRT
from benchmarks.tflite.peers import by_litert_torch, require_peers
from edgecnn.model.network import Network
from edgecnn.zoo import FAMILIES
from edgecnn_exporters.capture.examples import example_batch
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.targets.tflite.write import write_tflite
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.tensor_spec import TensorSpec

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from parity.test_zoo import settled, thin_form

from edgecnn_runtime.arrays import Float32

IMAGES = 8
OWN, PEER = "edgecnn in LiteRT", "litert-torch in LiteRT"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [family.architectures[0].name for family in FAMILIES]
    parser.add_argument("names", nargs="*", default=names)
    options = parser.parse_args()
    require_peers()
    torch.set_num_threads(1)
    for name in options.names:
        measure(name)


def measure(name: str) -> None:
    """Run one network everywhere, and print and keep how far the answers are apart."""
    network = settled(name, thin_form(name))
    spec = TensorSpec("input", "float32", (None, *network.shape))
    inputs = example_batch(spec, None, IMAGES)
    with torch.no_grad():
        expected = network.module(torch.from_numpy(inputs)).numpy()
    print(f"{name}, {IMAGES} photographs")
    answers = {}
    for converter, run in converted(network, inputs):
        answers[converter] = np.concatenate([run(inputs[i : i + 1]) for i in range(IMAGES)])
        show(name, f"{converter} against PyTorch", expected, answers[converter])
    show(name, f"{OWN} against {PEER}", answers[PEER], answers[OWN])


def converted(
    network: Network, inputs: Float32
) -> Iterator[tuple[str, Callable[[Float32], Float32]]]:
    """Every converter's network, for one image (1, C, H, W)."""
    expected = run_module(network.module, [inputs[:2], inputs[:3]])
    model = capture(network.module, expected, batch=None, opset=18).model
    canonicalise(model)
    yield "ONNX Runtime", onnxruntime_run(to_bytes(model))
    own = LiteRT(write_tflite(model).content)
    yield OWN, lambda image: own.run(image.transpose(TO_NHWC))
    peer = LiteRT(by_litert_torch(network.module, network.shape, channels_last=False))
    yield PEER, peer.run


def show(name: str, what: str, expected: Float32, actual: Float32) -> None:
    far = difference([(expected, actual.reshape(expected.shape))])
    print(f"  {what:<50}relative {far.relative:.1e}, top-1 {far.top1_agreement:.0%}", flush=True)
    row = {"network": name, "what": what, "images": IMAGES, "relative": far.relative}
    keep("parity/other_converters", row | {"agreement": far.top1_agreement})


if __name__ == "__main__":
    main()
