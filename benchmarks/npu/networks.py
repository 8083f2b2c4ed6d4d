"""Every network of the zoo compiled for NPUs and microcontrollers: the table of docs/npu.md.

Usage: python -m benchmarks.npu.networks [--for TARGET,…] [--again] [--table] [NETWORK …]

Networks with random weights are in the thin form of tests/parity (so pytest is needed too), which
has all kinds of layers of the published one; they show which operators an NPU takes. Trained ones
are at their own size, and their answers to the golden examples are proven by the vendor's simulator
or reference model. What is known of a network and target is one line of results/npu/networks.jsonl;
lines that are there are not made again, --again makes them. --table only writes the page's table.
A target whose compiler is not installed has no line.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.interleave import RESULTS, keep
from benchmarks.parity.rows import Job, jobs
from edgecnn.exporting.quantise import QuantiseOptions, quantised
from edgecnn.model.build import build_network
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn.model.settle import settle
from edgecnn.model.weights import RANDOM
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.errors import CompilerMissing, LicenceNotAccepted
from edgecnn_exporters.export import export_module
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.targets.compilers import (
    Compiled,
    IntegerNetwork,
    Proof,
    Settings,
    compiler_of,
)
from edgecnn_exporters.targets.profile import target_profile
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.tensor_spec import TensorSpec

TARGETS = ("ethos-u55-128", "ethos-u65-256", "ethos-u85-256", "mcu", "htp-v73", "rk3588")
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/npu.md"
BEGIN, END = "<!-- networks -->", "<!-- end of networks -->"
KEPT = "npu/networks"

Key = tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NETWORK")
    parser.add_argument("--for", dest="targets", default=",".join(TARGETS))
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    targets = options.targets.split(",")
    if not options.table:
        for job in jobs():
            if not options.names or job.network in options.names:
                measure(job, targets, is_again=options.again)
    table = render(read_rows())
    write_page(table)
    print(table)


def measure(job: Job, targets: list[str], *, is_again: bool) -> None:
    """Compile one network for the targets that have no line yet; keep and print the results."""
    known = read_rows()
    wanted = [name for name in targets if is_again or (job.network, job.weights, name) not in known]
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            network = integer_network(job, folder / "network.edge")
        except EdgeCNNError as error:
            print(f"{job.network} {job.weights}: {error}", flush=True)
            return
        for target in wanted:
            row = compile_one(network, target, folder)
            if row is None:
                continue
            whole = {"network": job.network, "weights": job.weights, "target": target} | row
            keep(KEPT, whole)
            print(job.network, job.weights, target, words(whole), flush=True)


def integer_network(job: Job, path: Path) -> IntegerNetwork:
    """The network quantised as `edgecnn export --quantize int8` does, as compilers read it."""
    network = build(job)
    recipe = "fast" if job.weights == RANDOM else "balanced"
    request = Request(
        name=network.name,
        input=TensorSpec("input", "float32", (None, *network.shape)),
        # A thin form reads another size than the network's own preprocessing makes.
        preprocess=None if job.weights == RANDOM else network.preprocess,
    )
    count = 16 if job.weights == RANDOM else 128
    options = QuantiseOptions(QuantConfig(recipe), count=count, allow_weak=True)
    with quantised(request, options, network.data, quiet=True) as (request, _):
        export_module(network.module, request, path, lambda stage: None)
    with Bundle(path) as bundle:
        return read_network(bundle)


def build(job: Job) -> Network:
    """The trained network, or the thin form with random weights."""
    if job.weights != RANDOM:
        return build_network(resolve(job.network), NetworkOptions(job.weights, quiet=True))
    import sys

    sys.path.insert(0, str(ROOT / "tests"))
    from parity.test_zoo import thin_form

    torch.manual_seed(0)
    options = NetworkOptions(RANDOM, form=thin_form(job.network), quiet=True)
    network = build_network(resolve(job.network), options)
    settle(network.module, network.shape, None)
    return network


def compile_one(network: IntegerNetwork, target: str, folder: Path) -> dict[str, Any] | None:
    """The line of one target; None where its compiler is not here."""
    scratch = folder / target
    scratch.mkdir()
    settings = Settings(scratch, folder / "log")
    began = time.perf_counter()
    profile = target_profile(target)
    compiler = compiler_of(profile.family)
    try:
        compiled = compiler.compile(network, profile, settings)
        shutil.rmtree(scratch)
        scratch.mkdir()
        proof = compiler.prove(network, compiled.artefact, compiled.files, profile, settings)
    except (CompilerMissing, LicenceNotAccepted) as error:
        print(f"{target}: {error}", flush=True)
        return None
    except EdgeCNNError as error:
        return {"error": " ".join(str(error).split())[:300]}
    return facts(compiled, proof) | {"seconds": round(time.perf_counter() - began, 1)}


def facts(compiled: Compiled, proof: Proof) -> dict[str, Any]:
    """What is kept of a result."""
    difference = proof.difference
    return {
        "compiler": compiled.artefact.compiler,
        "on_cpu": dict(Counter(each.operator for each in compiled.on_cpu)),
        "reasons": sorted({each.reason for each in compiled.on_cpu}),
        "bytes": sum(map(len, compiled.files.values())),
        "compile_s": round(compiled.seconds, 2),
        "prover": proof.prover,
        "verdict": proof.verdict,
        "note": proof.note,
        "integers": proof.integers,
        "sqnr_db": None if difference is None else round(difference.sqnr_db, 1),
        "top1": None if difference is None else difference.top1_agreement,
        "report": {
            key: value
            for key, value in compiled.report.items()
            if isinstance(value, int | float | str)
        },
    }


def read_rows() -> dict[Key, dict[str, Any]]:
    """The newest line of each network and target."""
    path = RESULTS / f"{KEPT}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {(row["network"], row["weights"], row["target"]): row for row in map(json.loads, lines)}


def words(row: dict[str, Any]) -> str:
    """A line's cell in the table."""
    if "error" in row:
        return "refused"
    count = sum(row["on_cpu"].values())
    parts = [str(count)]
    if count:
        parts.append(", ".join(f"{number} {name}" for name, number in row["on_cpu"].items()))
    if row["weights"] != RANDOM:
        if row["integers"] is not None:
            parts.append(f"{row['integers']:.2%} equal")
        elif row["sqnr_db"] is not None:
            parts.append(f"{row['sqnr_db']} dB")
    if row["verdict"] == "differs":
        parts.append("answers lose too much")
    return "; ".join(parts)


def render(rows: dict[Key, dict[str, Any]]) -> str:
    """The table in Markdown: networks × targets."""
    targets = [name for name in TARGETS if any(key[2] == name for key in rows)]
    lines = [f"| network | weights | {' | '.join(targets)} |", "|---" * (2 + len(targets)) + "|"]
    for network, weights in ordered(rows):
        cells = [
            words(row) if (row := rows.get((network, weights, name))) else "–" for name in targets
        ]
        lines.append(f"| {network} | {weights} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *causes(rows)])


def causes(rows: dict[Key, dict[str, Any]]) -> list[str]:
    """Lines with the cause of each refusal and of each operator on the CPU, networks joined."""
    found: dict[str, dict[str, None]] = {}
    for (network, _, target), row in rows.items():
        if "error" in row:
            found.setdefault(f"{target}: {row['error']}", {})[network] = None
        for reason in row.get("reasons", ()):
            found.setdefault(f"{target}, on the CPU: {reason}", {})[network] = None
        if row.get("verdict") == "differs":
            found.setdefault(f"{target}: answers differ: {row['note']}", {})[network] = None
    return [f"- {', '.join(networks)}: {cause}" for cause, networks in found.items()]


def ordered(rows: dict[Key, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Networks in the zoo's order, trained ones last."""
    own = [(job.network, job.weights) for job in jobs()]
    there = {key[:2] for key in rows}
    for is_random in (False, True):
        yield from (each for each in own if each in there and (each[1] == RANDOM) is is_random)


def write_page(table: str) -> None:
    """Write the table into the page, between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    whole = f"{BEGIN}\n{table}\n{END}"
    PAGE.write_text(marked.sub(lambda _: whole, page), encoding="utf-8")


if __name__ == "__main__":
    main()
