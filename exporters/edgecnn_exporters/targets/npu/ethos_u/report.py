"""Report of a compiled network: Vela's estimates, always with the system that they hold for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.npu.ethos_u.configuration import Configuration
from edgecnn_exporters.targets.npu.ethos_u.vela import Row, VelaRun

MEMORIES = ("sram", "dram", "on_chip_flash", "off_chip_flash")
KIB = 1024
GIB = 1024**3
# Vela's columns of the operators' table, in cycles.
ACCESS_CYCLES = {
    "sram": "SRAM AC",
    "dram": "DRAM AC",
    "on_chip_flash": "OnFlash AC",
    "off_chip_flash": "OffFlash AC",
}


def estimates(run: VelaRun, configuration: Configuration, compiler: str) -> dict[str, Any]:
    """Vela's figures as JSON values: milliseconds, cycles, bytes, multiply-adds, and by operator.

    Cycles and milliseconds leave out what stays on the CPU.

    Args:
        compiler: Vela and its version.

    Raises:
        CompilerFailed: Vela's tables lack a figure.
    """
    try:
        return _estimates(run, configuration, compiler)
    except (KeyError, ValueError) as error:
        raise CompilerFailed(
            f"{compiler} wrote a table without {error}; take a version that was tested"
        ) from error


def _estimates(run: VelaRun, configuration: Configuration, compiler: str) -> dict[str, Any]:
    summary = run.summary
    cycles, macs = _integer(summary["cycles_total"]), _integer(summary["nn_macs"])
    used = {
        name: round(float(summary[f"{name}_memory_used"]) * KIB)
        for name in MEMORIES
        if float(summary[f"{name}_memory_used"])
    }
    return {
        "proof": "estimated",
        "compiler": compiler,
        "configuration": {
            "accelerator": configuration.accelerator,
            "system_config": summary["system_config"],
            "memory_mode": summary["memory_mode"],
            "clock_mhz": float(summary["core_clock"]) / 1e6,
        },
        "latency_ms": 1e3 * float(summary["inference_time"]),
        "cycles": cycles,
        "npu_cycles": _integer(summary["cycles_npu"]),
        "macs": macs,
        "utilisation": macs / (cycles * configuration.macs_per_cycle) if cycles else 0.0,
        "memory_bytes": used,
        "bandwidth": _bandwidth(summary),
        "weight_bytes": {
            "original": _integer(summary["total_original_weights"]),
            "encoded": _integer(summary["total_npu_encoded_weights"]),
        },
        "operators": [_operator(row) for row in run.operators if not _is_fused(row)],
    }


def _bandwidth(summary: Row) -> dict[str, Any]:
    """Bytes an inference moves to and from each memory, and the memory's peak in bytes a second."""
    return {
        name: {
            "bytes": _integer(summary[f"{name}_total_bytes"]),
            "peak_bytes_per_s": round(float(summary[f"{name}_bandwidth"]) * GIB),
        }
        for name in MEMORIES
        if _integer(summary[f"{name}_total_bytes"])
    }


def _operator(row: Row) -> dict[str, Any]:
    return {
        "name": row["Name"],
        "type": row["Original Operator"],
        "computed_as": row["NNG Operator"],
        "on": row["Target"].lower(),
        "cycles": _integer(row["Op Cycles"]),
        "npu_cycles": _integer(row["NPU"]),
        "memory_cycles": {
            name: _integer(row[column])
            for name, column in ACCESS_CYCLES.items()
            if _integer(row[column])
        },
        "macs": _integer(row["MAC Count"]),
        "utilisation": float(row["Util% (MAC)"]) / 100 if _integer(row["MAC Count"]) else 0.0,
        "sram_bytes": _integer(row["Staging Usage"]),
    }


def _is_fused(row: Row) -> bool:
    """Whether the operator is part of the one before it, and costs nothing of its own."""
    return row["Target"] == "NPU" and not _integer(row["Op Cycles"])


def peak(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The operator during which most SRAM is in use; None where there is no operator."""
    operators: list[Mapping[str, Any]] = report["operators"]
    return max(operators, key=lambda each: int(each["sram_bytes"]), default=None)


def _integer(text: str) -> int:
    return round(float(text))
