"""A standard convolution beside a depthwise separable one: multiply-adds and milliseconds.

Each form is a network of four equal blocks on maps of 28×28 (`benchmarks/runtime/blocks.py`), on
every engine in fp32 and int8, in turn, one thread, batch 1. Beside them numpy copies one map: what
any layer moves at least.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.in_turn import Run
from benchmarks.interleave import keep
from benchmarks.runtime.blocks import ENGINES, PRECISIONS, exported, timed
from benchmarks.runtime.convolution_blocks import BLOCKS, KINDS, SIDE, Kind, Layer, network
from benchmarks.runtime.depthwise_page import BENCHMARK, draw, measured, tables
from edgecnn_runtime.engines import engine_class

WIDTHS, KERNELS = (16, 32, 64, 128, 256, 512), (3, 5, 7)
# Four blocks of 512 channels have 100 MB of weights with 5×5, 200 MB with 7×7.
WIDEST = {3: 512, 5: 256, 7: 256}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--block-ms", type=float, default=6)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--kernels", type=int, nargs="+", default=KERNELS)
    parser.add_argument("--bundles", type=Path, default=Path("build/depthwise"))
    parser.add_argument("--export-only", action="store_true", help="time nothing")
    parser.add_argument("--plot-only", action="store_true", help="neither export nor time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for layer in layers(options.widths, options.kernels):
        if options.plot_only:
            break
        paths: dict[str, Path] = {kind: bundle(layer, kind, options.bundles) for kind in KINDS}
        if not options.export_only:
            turns = timed(paths, SIDE, options.rounds, options.block_ms, others=copies(layer))
            keep(BENCHMARK, description(layer) | turns.to_json())
            print(layer, *turns.disturbed, sep="\n  ", file=sys.stderr, flush=True)
    if not options.export_only:
        rows = measured()
        print("\n\n".join("\n".join(lines) for lines in tables(rows)))
        draw(rows)


def layers(widths: Sequence[int], kernels: Sequence[int]) -> Iterator[Layer]:
    """The layers to time."""
    for kernel in kernels:
        for width in widths:
            if width <= WIDEST.get(kernel, width):
                yield Layer(width, kernel)


def bundle(layer: Layer, kind: Kind, folder: Path) -> Path:
    """The bundle of a form; forms without a depthwise part are the same for every kernel."""
    named = replace(layer, kernel=1) if kind in ("none", "pointwise") else layer
    path = folder / f"{kind}-{named.channels}-{named.kernel}.edge"
    return exported(lambda: network(layer, kind), SIDE, path)


def copies(layer: Layer) -> dict[str, Run]:
    """Numpy copying a map of the layer, in the bytes of each precision."""
    runs: dict[str, Run] = {}
    for precision, dtype in zip(PRECISIONS, (np.float32, np.int8), strict=True):
        source = np.ones((layer.channels, SIDE, SIDE), dtype)
        runs[f"copy {precision}"] = functools.partial(np.copyto, np.empty_like(source), source)
    return runs


def description(layer: Layer) -> dict[str, object]:
    """What a line of results says of the layer beside its samples."""
    return {
        "what": "blocks",
        "layer": asdict(layer),
        "side": SIDE,
        "blocks": BLOCKS,
        "threads": 1,
        "macs": {kind: layer.macs(kind) for kind in KINDS},
        "engines": {name: engine_class(name).version() for name in ENGINES},
    }


if __name__ == "__main__":
    main()
