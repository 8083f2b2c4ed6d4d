"""Every network of the zoo: its figures beside the published ones, and its export's parity.

Usage: python -m benchmarks.export.zoo [--export] [NAME …]

The published figures, with their sources, are those of tests/golden/published.json. --export also
exports each at full size with random weights, and each shipped checkpoint, in a process of its own
(an hour in all), and prints the largest difference from PyTorch over photographs at batch 1, 2, 3
and 7, relative to the largest output. What was exported before is not exported again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.interleave import RESULTS, keep
from edgecnn.model.weights import shipped
from edgecnn.zoo import ARCHITECTURES
from edgecnn.zoo.figures import read_figures

ROOT = Path(__file__).parents[2]
PUBLISHED = json.loads((ROOT / "tests/golden/published.json").read_text(encoding="utf-8"))


def main(arguments: list[str]) -> None:
    names = [name for name in arguments if not name.startswith("-")] or list(ARCHITECTURES)
    print_figures(names)
    if "--export" in arguments:
        print()
        for name in names:
            for weights in ("random", *shipped(name)):
                print_export(name, weights)


def print_figures(names: list[str]) -> None:
    """Ours / published, for every network that someone published figures of."""
    print(f"{'network':<20}{'parameters / published':>28}{'MACs / published':>32}{'field':>12}")
    fields = {row["name"]: row["pixels"][-1] for row in PUBLISHED["receptive_fields"]}
    for name, figures in read_figures().items():
        if name not in names:
            continue
        rows = [row for row in PUBLISHED["counts"] if row["name"] == name]
        first: dict[str, Any] = rows[0] if rows else {}
        print(
            f"{name:<20}{_beside(figures.parameters, first.get('parameters')):>28}"
            f"{_beside(figures.macs, first.get('macs')):>32}"
            f"{_beside(figures.receptive_field, fields.get(name)):>12}"
        )


def print_export(name: str, weights: str) -> None:
    """Export in a process of its own, so that memory is freed; keep its result."""
    known = {(row["network"], row["weights"]): row for row in _kept()}
    row = known.get((name, weights))
    if row is None:
        row = {"network": name, "weights": weights, **_export(name, weights)}
        if "NaN or infinity" in row.get("error", ""):
            row = {"network": name, "weights": weights, **_export_settled(name)}
        keep("export/zoo", row)
    outcome = row.get("error") or f"{row['relative']:.1e}  top-1 equal {row['top1']:.0%}"
    print(f"{name:<20}{weights:<16}{outcome}  {row.get('exporter', '')}", flush=True)


def _export(name: str, weights: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["export", name, "--weights", weights, "--json", "-q", "-o", f"{folder}/x.edge"]
        ran = subprocess.run(
            [sys.executable, "-m", "edgecnn", *command], capture_output=True, text=True, check=False
        )
    if ran.returncode:
        return {"error": ran.stderr.strip()}
    document = json.loads(ran.stdout)
    difference, provenance = document["difference"], document["provenance"]
    return {
        "relative": difference["relative"],
        "top1": difference["top1_agreement"],
        "batches": provenance["batches"],
        "exporter": provenance["capture"][-1]["exporter"],
    }


def _export_settled(name: str) -> dict[str, Any]:
    """A network so deep that its untrained values overflow, after batch norm has seen images."""
    import torch
    from safetensors.torch import save_file
    from torch.optim.swa_utils import update_bn

    from edgecnn_exporters.capture.examples import example_images
    from edgecnn_runtime.image.preprocess import preprocess

    torch.manual_seed(0)
    architecture = ARCHITECTURES[name]
    network = architecture.build()
    arrays = [preprocess(image, architecture.preprocess) for image in example_images(8)]
    update_bn([torch.cat([torch.from_numpy(array) for array in arrays])], network)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/settled.safetensors"
        save_file(network.state_dict(), path)
        return _export(name, path)


def _kept() -> list[dict[str, Any]]:
    path = RESULTS / "export/zoo.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _beside(ours: int, published: int | None) -> str:
    return f"{ours:,} / {'–' if published is None else f'{published:,}'}"


if __name__ == "__main__":
    main(sys.argv[1:])
