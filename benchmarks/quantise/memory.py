"""Peak memory of quantising with few and with many images, beside ONNX Runtime's calibrator.

Usage: python -m benchmarks.quantise.memory [--network mobilenet_v2-cifar10]

Each run is a process of its own, which finds the canonical graph and the inputs in files; inputs
are read one at a time. Printed is the largest resident memory of the process. Linux only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.interleave import keep

COUNTS = (32, 512)
QUANTISERS = ("none", "edgecnn balanced", "quantize_static")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="mobilenet_v2-cifar10")
    parser.add_argument("--child", nargs=3, metavar=("FOLDER", "QUANTISER", "COUNT"))
    options = parser.parse_args()
    if options.child:
        folder, quantiser, count = options.child
        quantise_once(Path(folder), quantiser, int(count))
        return
    print(f"{options.network}, peak memory in MB")
    print(f"{'':<20}" + "".join(f"{count:>8} images" for count in COUNTS) + f"{'grows by':>12}")
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), options.network)
        for quantiser in QUANTISERS:
            few, many = (measure(folder, quantiser, count) for count in COUNTS)
            print(f"{quantiser:<20}{few:>15.0f}{many:>15.0f}{many / few - 1:>12.1%}", flush=True)
            row = {"network": options.network, "quantiser": quantiser, "images": COUNTS}
            keep("quantise/memory", row | {"peak_mb": [few, many]})


def write_files(folder: Path, network: str) -> None:
    """The graph, and the inputs one after the other as raw float32."""
    from benchmarks.quantise.accuracy import WEIGHTS, float_graph, prepared
    from edgecnn.data import load
    from edgecnn.model.description import read_description
    from edgecnn_exporters.capture.reference import to_bytes

    path = WEIGHTS / f"{network}.safetensors"
    description = read_description(path)
    assert description is not None
    (folder / "model.onnx").write_bytes(to_bytes(float_graph(path)))
    images, _ = load(description.data, "train", quiet=True)
    with (folder / "inputs.raw").open("wb") as stream:
        for index in np.random.default_rng(0).permutation(len(images))[: max(COUNTS)]:
            stream.write(prepared(images[index], description).tobytes())


def measure(folder: str, quantiser: str, count: int) -> float:
    """Peak resident memory in MB of one process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.quantise.memory",
        "--child",
        folder,
        quantiser,
        str(count),
    ]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ran.stdout.split()[-1])


def quantise_once(folder: Path, quantiser: str, count: int) -> None:
    """Quantise with the parent's settings, and print the peak memory."""
    import onnx
    import onnx_ir as ir

    model = (folder / "model.onnx").read_bytes()
    proto = onnx.load_from_string(model)
    shape = [1, *(each.dim_value for each in proto.graph.input[0].type.tensor_type.shape.dim[1:])]
    samples = read_inputs(folder / "inputs.raw", shape, count)
    if quantiser == "edgecnn balanced":
        from edgecnn_exporters.quantise.calibrate.samples import Spool
        from edgecnn_exporters.quantise.config import QuantConfig
        from edgecnn_exporters.quantise.ladder import quantise

        with Spool(samples) as spool:
            quantise(ir.from_proto(proto), spool, QuantConfig("balanced"))
    elif quantiser == "quantize_static":
        from benchmarks.quantise.accuracy import by_onnxruntime

        by_onnxruntime(model, samples)
    # Not getrusage: its largest begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6)


def read_inputs(path: Path, shape: list[int], count: int) -> Iterator[np.ndarray]:
    """`count` inputs, one in memory at a time."""
    with path.open("rb") as stream:
        for _ in range(count):
            content = stream.read(4 * int(np.prod(shape)))
            yield np.frombuffer(content, np.float32).reshape(shape)


if __name__ == "__main__":
    main()
