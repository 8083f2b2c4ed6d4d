"""Firmware without a framework on emulated Cortex-M boards: flash, RAM, stack, instructions.

Usage: python -m benchmarks.npu.firmware [--table] [NETWORK …]

Each network of `benchmarks.native.memory` is compiled for ``mcu-native``; its firmware is built by
zig and run by QEMU on four boards, where the golden output must come out. Beside it stands the
tensor arena of TensorFlow Lite Micro for the same network (``mcu``). Results are lines of
results/npu/firmware.jsonl and the tables of docs/npu/mcu-native.md. QEMU counts instructions;
nothing here is a time.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.interleave import keep, newest
from benchmarks.native.memory import RANDOM, TRAINED, read
from benchmarks.npu.emulated_boards import (
    BOARDS,
    EmulationFailed,
    FirmwareRun,
    build_firmware,
    missing_tools,
    run_firmware,
)
from edgecnn_exporters.targets.compilers import Settings
from edgecnn_exporters.targets.mcu.compiler import McuCompiler
from edgecnn_exporters.targets.mcu_native.compiler import McuNativeCompiler
from edgecnn_exporters.targets.mcu_native.firmware import write_firmware
from edgecnn_exporters.targets.profile import target_profile

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/npu/mcu-native.md"
BEGIN, END = "<!-- networks -->", "<!-- end of networks -->"
KEPT = "npu/firmware"
NETWORKS = (*TRAINED, *RANDOM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NETWORK")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.table:
        if missing := missing_tools():
            parser.error(f"{missing} is missing")
        for name in options.names or NETWORKS:
            measure(name)
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    whole = f"{BEGIN}\n{render(newest(KEPT, NETWORKS))}\n{END}"
    PAGE.write_text(marked.sub(lambda _: whole, page), encoding="utf-8")


def measure(name: str) -> None:
    """Export, compile and run one network, and keep the line."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        firmware = folder / "firmware"
        network = read(name, folder / "network.edge")
        settings = Settings(folder / "tflm", folder / "log")
        compiled = McuNativeCompiler().compile(network, target_profile("mcu-native"), settings)
        write_firmware(network, compiled, firmware)
        runs = [run_firmware(build_firmware(firmware, board), board) for board in BOARDS]
        tflm = McuCompiler().compile(network, target_profile("mcu"), settings)
    if different := [run.board.name for run in runs if not run.is_equal]:
        raise EmulationFailed(f"{name}: other integers on {', '.join(different)}")
    report = {key: value for key, value in compiled.report.items() if key.endswith("bytes")}
    row = {
        "network": name,
        "compiler": compiled.artefact.compiler,
        "report": report,
        "runs": {run.board.core: _figures(run) for run in runs},
        "tflm": tflm.artefact.compiler,
        "tflm_model_bytes": tflm.report["model_bytes"],
        "tflm_arena_bytes": tflm.report["arena_bytes"],
    }
    keep(KEPT, row)
    print("\n".join(words(row)), flush=True)


def _figures(run: FirmwareRun) -> dict[str, Any]:
    kept = asdict(run)
    for name in ("board", "results", "is_equal"):
        del kept[name]
    return kept


def render(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Both tables in Markdown: memory, and instructions."""
    memory = [
        "| network | flash | of it the plan | library's memory | input, output | RAM of all three "
        "| TFLM's arena | ratio | stack |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    cores = [board.core for board in BOARDS]
    counts = ["| network | " + " | ".join(cores) + " |", "|---|" + "---:|" * len(cores)]
    for row in rows.values():
        first, second = words(row)
        memory.append(first)
        counts.append(second)
    return "\n".join([*memory, "", *counts])


def words(row: Mapping[str, Any]) -> tuple[str, str]:
    """Its lines of both tables; memory is the Cortex-M4's, the stack the largest of the boards."""
    runs, report = row["runs"], row["report"]
    own = runs[BOARDS[0].core]
    caller = report["input_bytes"] + report["output_bytes"]
    ram = own["memory_bytes"] + caller
    stack = max(run["stack_bytes"] for run in runs.values())
    arena = row["tflm_arena_bytes"]
    counts = [f"{runs[board.core]['instructions'] / 1e6:.2f} M" for board in BOARDS]
    return (
        f"| {row['network']} | {own['flash_bytes']:,} | {report['plan_bytes']:,} "
        f"| {own['memory_bytes']:,} | {caller:,} | {ram:,} | {arena:,} | {ram / arena:.2f} "
        f"| {stack:,} |",
        f"| {row['network']} | {' | '.join(counts)} |",
    )


if __name__ == "__main__":
    main()
