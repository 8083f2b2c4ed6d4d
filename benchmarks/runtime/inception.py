"""Inception blocks with and without their 1×1 reductions: multiply-adds, parameters, milliseconds.

Szegedy et al. 2015, section 4. Each block is timed at its own resolution as
`benchmarks/runtime/blocks.py` says, and GoogLeNet as a whole: every engine, fp32 and int8, in turn,
one thread, batch 1.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

import torch

from benchmarks.interleave import keep
from benchmarks.runtime.blocks import ENGINES, exported, timed
from benchmarks.runtime.inception_blocks import (
    FORMS,
    INPUTS,
    LARGE_KERNELS,
    WHOLE,
    network,
    side_of,
)
from benchmarks.runtime.inception_page import BENCHMARK, TIMED, draw, measured, tables
from edgecnn_runtime.engines import engine_class


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=TIMED)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--block-ms", type=float, default=10)
    parser.add_argument("--bundles", type=Path, default=Path("build/inception"))
    parser.add_argument("--export-only", action="store_true", help="time nothing")
    parser.add_argument("--plot-only", action="store_true", help="neither export nor time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in () if options.plot_only else options.names:
        paths = bundles(name, options.bundles)
        if not options.export_only:
            turns = timed(paths, side_of(name), options.rounds, options.block_ms)
            keep(BENCHMARK, description(name) | turns.to_json())
            print(name, *turns.disturbed, sep="\n  ", file=sys.stderr, flush=True)
    if not options.export_only:
        rows = measured()
        print("\n\n".join("\n".join(lines) for lines in tables(rows)))
        draw(rows)


def bundles(name: str, folder: Path) -> dict[str, Path]:
    """The bundles of a block, or of GoogLeNet, in both forms with both large kernels."""
    paths = {}
    for large in LARGE_KERNELS:
        for form in FORMS:
            build = functools.partial(network, name, form, large)
            path = folder / f"{name}-{form}-{large}.edge"
            paths[f"{form} {large}"] = exported(build, side_of(name), path)
    if name in INPUTS:
        side, channels = INPUTS[name]
        path = folder / f"none-{side}-{channels}.edge"
        paths["none"] = exported(functools.partial(network, name, None), side, path)
    return paths


def description(name: str) -> dict[str, object]:
    """What a line of results says of the block beside its samples."""
    return {
        "what": WHOLE if name == WHOLE else "block",
        "name": name,
        "side": side_of(name),
        "blocks": 1,
        "threads": 1,
        "engines": {each: engine_class(each).version() for each in ENGINES},
    }


if __name__ == "__main__":
    main()
