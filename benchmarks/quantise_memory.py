"""Peak memory of quantising with few and with many images, beside ONNX Runtime's calibrator.

Usage: python benchmarks/quantise_memory.py [--network mobilenet_v2-cifar10]

Each run is a process of its own: graph and images are loaded alike, one image at a time, then one
quantiser runs. Printed is the largest resident memory of the process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

from interleave import keep

COUNTS = (32, 512)
QUANTISERS = ("none", "edgecnn balanced", "quantize_static")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="mobilenet_v2-cifar10")
    parser.add_argument("--child", nargs=2, metavar=("QUANTISER", "COUNT"))
    options = parser.parse_args()
    if options.child:
        quantise_once(options.network, options.child[0], int(options.child[1]))
        return
    print(f"{options.network}, peak memory in MB")
    print(f"{'':<20}" + "".join(f"{count:>8} images" for count in COUNTS) + f"{'grows by':>12}")
    for quantiser in QUANTISERS:
        peaks = [measure(options.network, quantiser, count) for count in COUNTS]
        few, many = peaks
        print(f"{quantiser:<20}{few:>15.0f}{many:>15.0f}{many / few - 1:>12.1%}", flush=True)
        row = {"network": options.network, "quantiser": quantiser, "images": COUNTS}
        keep("quantise_memory", row | {"peak_mb": peaks})


def measure(network: str, quantiser: str, count: int) -> float:
    """Peak resident memory in MB of one process."""
    command = [sys.executable, __file__, "--network", network, "--child", quantiser, str(count)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ran.stdout.split()[-1])


def quantise_once(network: str, quantiser: str, count: int) -> None:
    """Quantise as the parent asked, and print what it took."""
    import numpy as np
    from quantise_accuracy import WEIGHTS, by_onnxruntime, float_graph, prepared

    from edgecnn.data import load
    from edgecnn.description import read_description
    from edgecnn_exporters.quantise.config import QuantConfig
    from edgecnn_exporters.quantise.ladder import quantise
    from edgecnn_exporters.quantise.samples import Spool
    from edgecnn_exporters.reference import to_bytes

    path = WEIGHTS / f"{network}.safetensors"
    description = read_description(path)
    assert description is not None
    model = float_graph(path)
    images, _ = load(description.data, "train", quiet=True)
    chosen = np.random.default_rng(0).permutation(len(images))[:count]
    with Spool(prepared(images[index], description) for index in chosen) as samples:
        if quantiser == "edgecnn balanced":
            quantise(model, samples, QuantConfig("balanced"))
        elif quantiser == "quantize_static":
            by_onnxruntime(to_bytes(model), samples)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


if __name__ == "__main__":
    main()
