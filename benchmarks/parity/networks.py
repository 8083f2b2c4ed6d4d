"""Every architecture × artefact × engine × precision against PyTorch: the rows of docs/parity.md.

Usage: python -m benchmarks.parity.networks [--images 1000] [--again] [--table] [NETWORK …]

Every network of the zoo is exported at full size with random weights, and with trained ones where
there are some, as ONNX, TFLite and OpenVINO in 32 and 16 bits; trained ones in 8 bits as well. Each
artefact then meets each engine, tflite-runtime in the environment that `make .venv-tflite/.ready`
makes. Random weights say nothing of quantising.

One network at a time, small ones first, each in a process of its own; what is known of it is one
line of results/parity.jsonl, kept at once. A network whose line has the versions that are installed
is not run again; --again runs it. --table runs nothing, and writes docs/parity.md from the lines.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.interleave import keep
from benchmarks.parity.page import render
from benchmarks.parity.rows import Job, jobs, read_rows
from edgecnn.zoo.figures import read_figures

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/parity.md"
OTHER_PYTHON = ROOT / ".venv-tflite/bin/python"
PACKAGES = ("edgecnn", "torch", "onnx", "onnxruntime", "openvino", "ai-edge-litert", "numpy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NETWORK")
    parser.add_argument("--images", type=int, default=1000, help="test images for trained networks")
    parser.add_argument("--again", action="store_true", help="also what is there already")
    parser.add_argument("--table", action="store_true", help="only write docs/parity.md again")
    parser.add_argument("--only", metavar="WEIGHTS", help="only these weights")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        from benchmarks.parity.proof import prove_network

        (name,) = options.names
        print(json.dumps(prove_network(Job(name, options.only), options.images, OTHER_PYTHON)))
        return
    if not options.table:
        run(list(chosen(options.names, options.only)), options.images, is_again=options.again)
    page = render(read_rows())
    PAGE.write_text(page, encoding="utf-8")
    print(page if not options.table else f"{PAGE.relative_to(ROOT)} written")


def chosen(names: list[str], weights: str | None) -> Iterator[Job]:
    """Jobs to run, the quickest first."""
    for job in sorted(jobs(), key=seconds):
        if (not names or job.network in names) and weights in (None, job.weights):
            yield job


def seconds(job: Job) -> float:
    """About how long one takes: it decides only what is lost by an interruption."""
    figures = read_figures()[job.network]
    if job.is_shipped:
        return 0.0
    return figures.macs / 1e9 + figures.parameters / 2e7 + figures.depth / 6


def run(wanted: list[Job], images: int, *, is_again: bool) -> None:
    """Prove each, one after the other; keep and print the results."""
    installed = versions()
    for number, job in enumerate(wanted, 1):
        known = read_rows().get(job)
        if known and known["versions"] == installed and "error" not in known and not is_again:
            continue
        began = time.perf_counter()
        row = {"network": job.network, "weights": job.weights, "versions": installed}
        row |= prove_alone(job, images)
        row["seconds"] = round(time.perf_counter() - began, 1)
        keep("parity/networks", row)
        outcome = row.get("error") or summary_of(row["proofs"])
        print(f"{number}/{len(wanted)} {job.network} {job.weights}: {outcome}", flush=True)


def prove_alone(job: Job, images: int) -> dict[str, Any]:
    """Run `prove_network` in a process of its own, which gives its memory back."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.parity.networks",
        job.network,
        "--only",
        job.weights,
        "--one",
    ]
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [*command, "--images", str(images)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": folder},
        )
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or [f"ended with exit code {ran.returncode}"]
        return {"error": lines[-1]}
    row: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return row


def summary_of(proofs: list[dict[str, Any]]) -> str:
    """Every engine's result in a few words, for the console."""
    parts = []
    for proof in proofs:
        relative = "–" if proof["relative"] is None else f"{proof['relative']:.1e}"
        if proof["verdict"] != "equal":
            relative += f" {proof['verdict']}: {proof['note']}"
        parts.append(f"{proof['precision']} {proof['engine']} {relative}")
    return ", ".join(parts)


def versions() -> dict[str, str | None]:
    """Versions of all packages that affect the figures; None for those not installed."""
    installed: dict[str, str | None] = {package: version(package) for package in PACKAGES}
    installed["tflite-runtime"] = None
    if OTHER_PYTHON.exists():
        ask = "from importlib.metadata import version; print(version('tflite-runtime'))"
        ran = subprocess.run([OTHER_PYTHON, "-c", ask], capture_output=True, text=True, check=True)
        installed["tflite-runtime"] = ran.stdout.strip()
    return installed


if __name__ == "__main__":
    main()
