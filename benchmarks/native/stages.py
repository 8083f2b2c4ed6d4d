"""Stages of a network on the native engine: time and share of the peak by kind of layer.

Usage: taskset -c 1 python -m benchmarks.native.stages [--runs 300] BUNDLE …

The least time of every operation over the runs of `edgecnn_profile`, one thread, in one table a
network. `filled` is the share of multiply-adds that are the network's: kernels compute 16 output
channels and 4 input channels at a time. `beyond` is the time that a stage takes beyond its products
at the peak.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgecnn_native
from benchmarks.native.networks import image_of, peak, plan_of
from edgecnn_exporters.targets.native.records import Code, read_plan

Record = np.void
FEW_INPUTS = 24


@dataclass(frozen=True)
class Operation:
    """One operation: its stage, multiply-adds of the network and of the kernel, seconds."""

    stage: str
    products: float
    computed: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=300)
    options = parser.parse_args()
    for path in options.bundles:
        show(path.stem, operations(path, options.runs), peak()[1])


def operations(path: Path, runs: int) -> list[Operation]:
    """Every operation of a bundle's plan with its least time."""
    content, image = plan_of(path), list(image_of(path).values())
    plan = read_plan(content)
    least = [float("inf")] * len(plan.operations)
    with edgecnn_native.Model(content) as model:
        for _ in range(runs):
            _, layers = model.profile(image)
            least = [
                min(pair) for pair in zip(least, (each.seconds for each in layers), strict=True)
            ]
    return [
        Operation(stage_of(record, plan.tensors[record["output"]]), *products(record, layer), time)
        for record, layer, time in zip(plan.operations, layers, least, strict=True)
    ]


def stage_of(record: Record, output: Record) -> str:
    """Kind of layer, by what bounds its speed."""
    code, kernel = record["code"], f"{record['kernel_h']}×{record['kernel_w']}"
    if code == Code.DEPTHWISE:
        return f"depthwise {kernel}"
    if code == Code.GROUPED:
        return "grouped"
    if code != Code.CONVOLUTION:
        return "without products"
    if output["height"] * output["width"] == 1:
        return "one pixel"
    if kernel != "1×1":
        return f"dense {kernel}"
    few = record["channels"] <= FEW_INPUTS
    return f"1×1 of {'up to' if few else 'above'} {FEW_INPUTS} channels"


def products(record: Record, layer: edgecnn_native.Layer) -> tuple[float, float]:
    """Multiply-adds of the network, and of the kernel, in whole vectors."""
    if layer.multiplications == 0:
        return 0, 0
    outputs, inputs = int(record["output_channels"]), int(record["channels"])
    computed = layer.multiplications / outputs * (-(-outputs // 16) * 16)
    if record["code"] == Code.CONVOLUTION:
        computed *= -(-inputs // 4) * 4 / inputs
    return layer.multiplications, computed


def show(name: str, found: Sequence[Operation], gops: float) -> None:
    """Print one network's table."""
    total = sum(each.seconds for each in found)
    print(f"{name}: {total * 1e3:.3f} ms in all operations, peak {gops:.0f} GOP/s")
    print(f"  {'stage':<28}{'µs':>8}{'share':>7}{'M':>8}{'of peak':>9}{'filled':>8}{'beyond':>8}")
    stages = sorted({each.stage for each in found})
    by_stage = {stage: [each for each in found if each.stage == stage] for stage in stages}
    for stage, members in sorted(by_stage.items(), key=lambda pair: -_seconds(pair[1])):
        seconds, made = _seconds(members), sum(each.products for each in members)
        computed = sum(each.computed for each in members)
        at_peak = 2 * made / gops / 1e9
        print(
            f"  {stage:<28}{seconds * 1e6:>8.1f}{seconds / total:>7.0%}{made / 1e6:>8.1f}"
            f"{at_peak / seconds:>9.0%}{made / computed if computed else 1:>8.0%}"
            f"{(seconds - at_peak) * 1e6:>8.1f}"
        )


def _seconds(members: Sequence[Operation]) -> float:
    return sum(each.seconds for each in members)


if __name__ == "__main__":
    main()
