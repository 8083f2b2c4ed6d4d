"""Run of Vela, Arm's compiler for Ethos-U, and the files that it writes."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.compilers import Settings
from edgecnn_exporters.targets.npu.ethos_u.configuration import Configuration
from edgecnn_exporters.targets.npu.ethos_u.toolchains import VELA
from edgecnn_exporters.targets.toolchain import run_tool

# Vela names its files after the network's.
NETWORK = "model"
COMPILED = f"{NETWORK}_vela.tflite"
OPERATORS = f"{NETWORK}_per-layer.csv"
SUPPORTED = "SUPPORTED_OPS.md"
LEFT = re.compile(r"Warning \(supported operators\) operator: (\w+), ofm: '(.*)'")

Row = Mapping[str, str]


@dataclass(frozen=True)
class VelaRun:
    """What Vela wrote.

    Attributes:
        model: TFLite file with an operator of the NPU, and the operators that stay on the CPU.
        summary: figures of the whole network by name.
        operators: figures of each operator by name, in the order in which they run.
        messages: what it printed.
        seconds: that it took.
    """

    model: bytes
    summary: Row
    operators: Sequence[Row]
    messages: str
    seconds: float


def run_vela(tflite: bytes, configuration: Configuration, settings: Settings) -> VelaRun:
    """Compile an integer TFLite file. Equal inputs give equal bytes.

    Raises:
        CompilerFailed: Vela refused it, crashed, or wrote other files than expected.
    """
    source, out = settings.folder / f"{NETWORK}.tflite", settings.folder / "vela"
    source.write_bytes(tflite)
    started = time.perf_counter()
    messages = _run(source, out, configuration, settings)
    seconds = time.perf_counter() - started
    summary = out / f"{NETWORK}_summary_{configuration.system_config}.csv"
    try:
        (totals,) = _rows(summary)
        return VelaRun(
            (out / COMPILED).read_bytes(), totals, _rows(out / OPERATORS), messages, seconds
        )
    except (OSError, ValueError) as error:
        raise CompilerFailed(
            f"vela for {configuration.accelerator} did not write what it should: {error}; its "
            f"messages are in {settings.log}"
        ) from error


def _run(source: Path, out: Path, configuration: Configuration, settings: Settings) -> str:
    """Run Vela; what it printed.

    Raises:
        CompilerFailed: it failed; the message names the operators that it could not place before.
    """
    log = settings.log
    before = log.stat().st_size if log.exists() else 0
    shown = ("--verbose-performance", "--show-cpu-operations", f"--output-dir={out}")
    command = [VELA.python, "-m", "ethosu.vela", str(source), *configuration.flags, *shown]
    what = f"vela for {configuration.accelerator}"
    try:
        return run_tool(what, command, log, folder=settings.folder)
    except CompilerFailed as error:
        printed = log.read_bytes()[before:].decode(errors="replace") if log.exists() else ""
        if left := [f"{operator} {name}" for operator, name in LEFT.findall(printed)]:
            raise CompilerFailed(f"{error}. The NPU lacks {', '.join(left)}") from error
        raise


def supported_operators(settings: Settings) -> Mapping[str, frozenset[str]]:
    """TFLite operators that this Vela places on an NPU, by generation: "ethos-u55", "ethos-u85".

    Raises:
        CompilerFailed: Vela did not list them.
    """
    command = [VELA.python, "-m", "ethosu.vela", "--supported-ops-report"]
    run_tool("vela's list of operators", command, settings.log, folder=settings.folder)
    lines = (settings.folder / SUPPORTED).read_text(encoding="utf-8").splitlines()
    found: dict[str, set[str]] = {}
    names: set[str] = set()
    for line in lines:
        if line.startswith("## "):
            names = set()
            if line.endswith("TFLite Summary Table"):
                found |= {
                    g: names for g in ("ethos-u55", "ethos-u65", "ethos-u85") if _is_of(line, g)
                }
        elif line.startswith("| "):
            names.add(line.split("|")[1].strip())
    return {generation: frozenset(each) for generation, each in found.items()}


def _is_of(heading: str, generation: str) -> bool:
    return generation in heading.lower()


def _rows(path: Path) -> list[Row]:
    """Rows of a table of Vela's, which quotes nothing: the last column may hold commas.

    Raises:
        ValueError: a row has too few columns.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        (columns, *lines) = [line.rstrip("\r\n") for line in stream]
    names = next(csv.reader([columns]))
    cells = [line.split(",", len(names) - 1) for line in lines if line]
    return [dict(zip(names, each, strict=True)) for each in cells]
