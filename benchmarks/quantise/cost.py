"""Wall seconds, processor seconds and peak memory of quantising, by number of images.

Usage: python -m benchmarks.quantise.cost [--network mobilenet_v2] [--images 64 128 256]
                                          [--rounds 3] [--only QUANTISER …]

Ours with each recipe and all of `benchmarks.quantise.peers`, in turned order every other round.
Each run is a process of its own, which finds the canonical graph and the inputs in files and reads
one input at a time; some quantisers keep more of them. Seconds are after imports; memory is the
largest resident one of the process, imports and all; `nothing` is a process that does not quantise.
Of a network with ImageNet weights the inputs are crops of edgecnn's photographs, of a shipped
checkpoint (NETWORK-DATA) training images. Linux only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.interleave import interleave, keep
from benchmarks.quantise.peers import peers
from benchmarks.quantise.quantisers import Quantiser, available, make, ours
from edgecnn_exporters.quantise.calibrate.samples import Spool
from edgecnn_exporters.quantise.config import QuantConfig, QuantRecipe
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.image.preprocess import preprocess

NOTHING = Quantiser("nothing", lambda *_: None, lambda *_: lambda batch: batch)


@dataclass(frozen=True)
class Cost:
    """What quantising took in a process of its own."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def quantisers() -> tuple[Quantiser, ...]:
    """All that are known, installed or not."""
    return (NOTHING, *(ours(QuantConfig(each)) for each in get_args(QuantRecipe)), *peers())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--images", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="QUANTISER")
    parser.add_argument("--child", nargs=3, metavar=("FOLDER", "QUANTISER", "COUNT"))
    options = parser.parse_args()
    if options.child:
        folder, name, count = options.child
        quantise_once(Path(folder), name, int(count))
        return
    names = [each.name for each in available(quantisers())]
    names = [name for name in names if options.only is None or name in options.only]
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), options.network, max(options.images))
        for count in options.images:
            measure(folder, options.network, names, count, options.rounds)


def measure(folder: str, network: str, names: list[str], count: int, rounds: int) -> None:
    """Run every quantiser that often, and print medians and keep every sample."""
    print(f"{network}, {count} images (n = {rounds}, interleaved)")
    print(f"  {'':<28}{'wall s':>9}{'CPU s':>9}{'peak MB':>10}")
    costs = interleave({name: partial(run_child, folder, name, count) for name in names}, rounds)
    for name, samples in costs.items():
        wall, cpu, peak = (
            statistics.median(getattr(each, what) for each in samples)
            for what in ("wall_s", "cpu_s", "peak_mb")
        )
        print(f"  {name:<28}{wall:>9.1f}{cpu:>9.1f}{peak:>10.0f}", flush=True)
        row = {"network": network, "quantiser": name, "images": count}
        keep("quantise/cost", row | {"samples": [asdict(each) for each in samples]})


def run_child(folder: str, name: str, count: int) -> Cost:
    """What one quantiser takes in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.quantise.cost", "--child", folder, name]
    ran = subprocess.run([*command, str(count)], check=False, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{name} failed:\n{ran.stderr}")
    return Cost(**json.loads(ran.stdout.splitlines()[-1]))


def quantise_once(folder: Path, name: str, count: int) -> None:
    """Quantise with one quantiser, and print what it took."""
    model = (folder / "model.onnx").read_bytes()
    shape = json.loads((folder / "shape.json").read_text())
    (chosen,) = (each for each in quantisers() if each.name == name)
    with Spool(read_inputs(folder / "inputs.raw", shape, count)) as samples:
        _, wall_s, cpu_s = make(chosen, model, samples)
    # Not getrusage: its largest begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    print(json.dumps(asdict(Cost(wall_s, cpu_s, peak))))


def read_inputs(path: Path, shape: list[int], count: int) -> Iterator[Float32]:
    """`count` inputs, one in memory at a time."""
    with path.open("rb") as stream:
        for _ in range(count):
            content = stream.read(4 * int(np.prod(shape)))
            yield np.frombuffer(content, np.float32).reshape(shape)


def write_files(folder: Path, network: str, count: int) -> None:
    """The graph, the shape of an input, and the inputs one after the other as raw float32."""
    # Not at the head: they import torch, which a quantiser's process does not need.
    from benchmarks.quantise import accuracy, imagenet, photographs
    from edgecnn.data import load
    from edgecnn.model.description import read_description
    from edgecnn_exporters.capture.reference import to_bytes

    path = accuracy.WEIGHTS / f"{network}.safetensors"
    if path.exists():
        description = read_description(path)
        assert description is not None
        model = to_bytes(accuracy.float_graph(path))
        images, _ = load(description.data, "train", quiet=True)
        chosen = np.random.default_rng(0).permutation(len(images))[:count]
        inputs = (accuracy.prepared(images[index], description) for index in chosen)
    else:
        crops = photographs.calibrating(None, count)
        model, prepare = imagenet.float_graph(network, crops[:3])
        inputs = (preprocess(crop, prepare) for crop in crops)
    (folder / "model.onnx").write_bytes(model)
    with (folder / "inputs.raw").open("wb") as stream:
        for each in inputs:
            stream.write(each.tobytes())
    (folder / "shape.json").write_text(json.dumps(each.shape))


if __name__ == "__main__":
    main()
