"""Zoo networks on the native engine beside ONNX Runtime, OpenVINO and LiteRT, in turn, one thread.

Usage: taskset -c 1 python -m benchmarks.native.networks [--rounds 40] [NETWORK …]

Weights are of chance, with batch statistics of photographs, so that answers differ; int8 is one
quantisation for all engines. Printed: least, median and processor time of one image, the ratio to
the fastest other engine in int8, and the share of the core's peak of 8-bit products (`peak.c`, run
before and after).
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

import edgecnn_runtime
from benchmarks.in_turn import Run, Turns, in_turn
from benchmarks.interleave import keep
from benchmarks.runtime.blocks import exported
from edgecnn.zoo import ARCHITECTURES
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.adapted import one_run

NETWORKS = (
    *("mobilenet_v2", "mobilenet_v1", "mobilenet_v3_large", "mobilenet_v3_small"),
    *("efficientnet_b0", "efficientnet_lite0", "resnet50", "googlenet", "densenet121"),
)
SIDE = 224
TARGETS = ("tflite", "openvino", "native")
OURS = "native int8"
PLACES = ("onnxruntime fp32", "onnxruntime int8", "openvino int8", "tflite int8", OURS)


def main() -> None:
    torch.set_num_threads(1)
    export_and_measure(__doc__, NETWORKS, Path("build/native-networks"), export)


def export_and_measure(
    description: str | None,
    names: Sequence[str],
    bundles: Path,
    export: Callable[[str, Path], None],
) -> None:
    """Export the networks of the command line, or all of `names`, and time them.

    Args:
        bundles: folder for them by default.
        export: writes the bundle of a network; one that is there is kept.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*", default=names)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--block-ms", type=float, default=30)
    parser.add_argument("--bundles", type=Path, default=bundles)
    parser.add_argument("--export-only", action="store_true", help="time nothing")
    options = parser.parse_args()
    for name in options.names:
        path = options.bundles / f"{name}.edge"
        if not path.exists():
            export(name, path)
        if not options.export_only:
            measure(name, path, options.rounds, options.block_ms)


def export(name: str, path: Path) -> None:
    """Write the bundle of a zoo network in every format."""
    exported(functools.partial(network, name), SIDE, path, targets=TARGETS)


def network(name: str) -> torch.nn.Module:
    """The architecture at its published size."""
    return ARCHITECTURES[name].build()


def measure(name: str, path: Path, rounds: int, block_ms: float) -> None:
    """Time one network on all engines, print and keep it."""
    instruction, before = peak()
    turns = timed(path, rounds, block_ms)
    rate = max(before, peak()[1])
    operations = 2 * multiply_adds(path)
    print(f"{name}: {operations / 2e6:.0f} M multiply-adds, peak {rate:.0f} GOP/s ({instruction})")
    others = [min(turns.wall_ms[place]) for place in PLACES[1:] if place != OURS]
    for place, samples in turns.wall_ms.items():
        least, processor = min(samples), min(turns.cpu_ms[place])
        share = operations / (least * 1e-3) / 1e9 / rate
        print(
            f"  {place:<18}{least:>8.3f}{statistics.median(samples):>8.3f}{processor:>8.3f} ms"
            f"{least / min(others):>7.2f} ×{share:>7.1%}",
            flush=True,
        )
    if turns.disturbed:
        print("  " + "; ".join(turns.disturbed))
    description = {"what": "network", "network": name, "threads": 1, "peak_gops": rate}
    keep("native/networks", description | {"macs": operations // 2} | turns.to_json())


def image_of(path: Path) -> dict[str, Array]:
    """The first golden image of a bundle."""
    with Bundle(path) as bundle:
        return bundle.golden(0).inputs


def timed(path: Path, rounds: int, block_ms: float) -> Turns:
    """All engines in turn, batch 1, one thread."""
    candidates: dict[str, Run] = {}
    feeds = image_of(path)
    with ExitStack() as stack:
        for place in PLACES:
            engine, precision = place.split()
            session = stack.enter_context(
                edgecnn_runtime.open(path, engine=engine, precision=precision, threads=1)
            )
            candidates[place] = one_run(session.engine, feeds)
        return in_turn(candidates, rounds, block_ms)


@functools.cache
def _peak_program() -> Path:
    program = Path(tempfile.mkdtemp()) / "peak"
    source = Path(__file__).with_name("peak.c")
    compiler = (sys.executable, "-m", "ziglang", "cc")
    subprocess.run([*compiler, "-O2", source, "-o", program], check=True)
    return program


def peak() -> tuple[str, float]:
    """The instruction, and its 10⁹ operations a second; a multiply-add counts two."""
    ran = subprocess.run([_peak_program()], check=True, capture_output=True, text=True)
    instruction, _, rate = ran.stdout.strip().rpartition(" ")
    return instruction, float(rate)


def plan_of(path: Path) -> bytes:
    """The plan of a bundle."""
    with Bundle(path) as bundle:
        plan = next(each for each in bundle.manifest.artefacts if each.format == "plan")
        return bundle.load_artefact(plan).model


def multiply_adds(path: Path) -> int:
    """Of one image, as the plan's own records count them."""
    import edgecnn_native

    with edgecnn_native.Model(plan_of(path)) as model:
        _, layers = model.profile(list(image_of(path).values()))
    return round(sum(layer.multiplications for layer in layers))


if __name__ == "__main__":
    main()
