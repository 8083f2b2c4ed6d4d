"""`edgecnn export` of the networks of torchvision and timm that nobody here chose by their layers.

Usage: python -m benchmarks.outside.export [--only NAME …] [--targets tflite,openvino]
           [--quantize int8] [--timeout 600] [--results FILE.jsonl] [--table]

Each network has settled random weights and is exported by the command line in a process of its
own, for ONNX and all targets in one bundle; one that is refused is tried without the target that
the refusal names, or for each target alone.
Each artefact then answers inputs of the benchmark's own. Figures are kept one line a network;
networks in there already are not run again (--again runs them).

An artefact is wrong if a bundle holds it that edgecnn wrote with exit code 0, and it deviates from
PyTorch: in fp32 by more than 1e-4 of the output's spread over the inputs (and ten times PyTorch's
own rounding), in int8 below 12 dB about the mean unless the bundle says that it is weak, or the
export that the outputs hardly change between inputs, so that they prove little of 8 bits.

torchvision and timm are no dependencies of edgecnn: networks of a package that is not installed
are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleave import RESULTS, append
from benchmarks.outside.inputs import calibration_inputs
from benchmarks.outside.networks import NETWORKS, OutsideNetwork
from benchmarks.outside.table import line, print_row, print_summary

ROOT = Path(__file__).parents[2]
KEPT = RESULTS / "outside/export.jsonl"
TARGETS = "tflite,openvino"


@dataclass(frozen=True)
class Options:
    """What each network is exported to.

    Attributes:
        targets: formats beside ONNX.
        quantise: ``int8``, or None for fp32 alone.
        timeout_s: of one export, and of one judgement.
    """

    targets: tuple[str, ...]
    quantise: str | None
    timeout_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(NETWORKS))
    parser.add_argument("--targets", default=TARGETS, help="formats beside ONNX")
    parser.add_argument("--quantize", choices=["int8"])
    parser.add_argument("--timeout", type=float, default=600, help="seconds of one export")
    parser.add_argument("--results", type=Path, default=KEPT)
    parser.add_argument("--again", action="store_true", help="also what is there already")
    parser.add_argument("--table", action="store_true", help="run nothing, print what is kept")
    given = parser.parse_args()
    if unknown := [name for name in given.only if name not in NETWORKS]:
        parser.error(
            f"no network is called {', '.join(unknown)}; see benchmarks/outside/networks.py"
        )
    options = Options(tuple(filter(None, given.targets.split(","))), given.quantize, given.timeout)
    kept = {row["network"]: row for row in read_rows(given.results, options)}
    rows = []
    print(line("network", "precision", ("onnx", *options.targets), "seconds"))
    for name in given.only:
        row = None if given.again else kept.get(name)
        if row is None and not given.table and is_installed(NETWORKS[name]):
            row = export_network(NETWORKS[name], options)
            append(given.results, row)
        if row is not None:
            rows.append(row)
            print_row(row)
    print_summary(rows)


def is_installed(network: OutsideNetwork) -> bool:
    return importlib.util.find_spec(network.package) is not None


def read_rows(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """The kept rows of the same targets and precision, the newest last."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for row in map(json.loads, lines):
        if (tuple(row["targets"]), row["quantise"]) == (options.targets, options.quantise):
            yield row


def export_network(network: OutsideNetwork, options: Options) -> dict[str, Any]:
    """The row of a network: one attempt for all targets, and if it fails some for fewer."""
    attempts = [attempt(network, options, options.targets)]
    if attempts[0]["outcome"] != "exported" and options.targets:
        words = attempts[0]["words"].lower()
        others = [target for target in options.targets if target not in words]
        # A refusal that names no target may be of any of them, or of the network itself.
        is_named = len(others) < len(options.targets)
        fewer = [others] if is_named else [[], *([target] for target in others)]
        for targets in fewer:
            attempts.append(attempt(network, options, targets))
            if not targets and attempts[-1]["outcome"] != "exported":
                break
    return {
        "network": network.name,
        "size": network.size,
        "targets": options.targets,
        "quantise": options.quantise,
        "seconds": round(sum(each["seconds"] for each in attempts), 1),
        "attempts": attempts,
    }


def attempt(network: OutsideNetwork, options: Options, targets: Sequence[str]) -> dict[str, Any]:
    """One export, and the errors of its artefacts."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "network.edge"
        began = time.perf_counter()
        ran = _run(export_command(network, options, targets, bundle), options.timeout_s)
        row: dict[str, Any] = {"targets": targets, "outcome": outcome_of(ran)}
        row |= {"words": words_of(ran), "seconds": round(time.perf_counter() - began, 1)}
        if row["outcome"] == "traceback":
            row["traceback"] = ran.stderr[-3000:]
        if row["outcome"] == "exported":
            # A package may print a line of its own when it is imported.
            document = json.loads(ran.stdout[ran.stdout.index("{") :])
            row |= {"operators": document["operators"], "warnings": document["warnings"]}
            judge = [sys.executable, "-m", "benchmarks.outside.judge", str(bundle), network.name]
            judged = _run(judge, options.timeout_s)
            if judged.returncode:
                row["judge_fails"] = words_of(judged)
            else:
                row["artefacts"] = json.loads(judged.stdout.splitlines()[-1])
    return row


def export_command(
    network: OutsideNetwork, options: Options, targets: Sequence[str], bundle: Path
) -> list[str]:
    """The public command line."""
    command = [sys.executable, "-m", "edgecnn", "export"]
    command += [f"benchmarks.outside.factories:{network.name}", "--json", "-o", str(bundle)]
    command += ["--input", f"1x3x{network.size}x{network.size}", "--preprocess", "imagenet"]
    if targets:
        command += ["--target", ",".join(targets)]
    if options.quantise:
        # Ranges of four photographs say little of turned and recoloured ones: few samples, not the
        # toolkit, would be judged.
        samples = bundle.with_name("calibration.npz")
        np.savez(samples, calibration_inputs(network.size))
        command += ["--quantize", options.quantise, "--no-measure", "--allow-weak"]
        command += ["--calibrate", str(samples)]
    return command


def outcome_of(ran: subprocess.CompletedProcess[str]) -> str:
    if ran.returncode == TIMED_OUT:
        return "timed out"
    if ran.returncode == 1 and "Traceback (most recent call last)" in ran.stderr:
        return "traceback"
    return "exported" if ran.returncode == 0 else "refused" if ran.returncode > 0 else "crashed"


def words_of(ran: subprocess.CompletedProcess[str]) -> str:
    """The last line on stderr: an error's, or a note's."""
    lines = [line for line in ran.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {ran.returncode}"


# As the `timeout` command has it.
TIMED_OUT = 124


def _run(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        words = f"took longer than {timeout_s:.0f} s"
        return subprocess.CompletedProcess(command, TIMED_OUT, "", words)


if __name__ == "__main__":
    main()
