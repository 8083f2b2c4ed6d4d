"""Operators that Vela leaves to the CPU: its reasons, and what would move them to the NPU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn_exporters.targets.compilers import OnCpu, Settings
from edgecnn_exporters.targets.npu.ethos_u.configuration import Configuration
from edgecnn_exporters.targets.npu.ethos_u.vela import VelaRun, supported_operators

_WARNING = re.compile(
    r"Warning \(supported operators\) operator: (?P<operator>\w+), ofm: '(?P<name>.*)'\n"
    r"Reason: (?P<reason>.*)\n(?P<constraint>(?:.+\n)*)"
)
UNSUPPORTED = "Unsupported opType"
FLOAT = "unsupported DataType Float32"
# Vela's name of a result that goes into the activation fused to its operator.
BEFORE_ACTIVATION = "_act"
NEWER = "ethos-u85"
FIXES: Mapping[str, str] = {
    "LOG_SOFTMAX": "end the network at the logits: their order is that of the log-probabilities",
    "LOCAL_RESPONSE_NORMALIZATION": "normalise by batch statistics instead, or not at all",
    # Around an operator that TFLite computes in float alone.
    "DEQUANTIZE": "replace the operator behind DEQUANTIZE, which is computed in float",
    "DEPTH_TO_SPACE": "upsample by ConvTranspose or Resize instead of a pixel shuffle",
}


@dataclass(frozen=True)
class _Reason:
    operator: str
    reason: str
    constraint: str


def cpu_operators(
    run: VelaRun, configuration: Configuration, settings: Settings
) -> tuple[OnCpu, ...]:
    """The operators that a run of Vela left to the CPU, in the order in which they run.

    Raises:
        CompilerFailed: Vela cannot say what it supports.
    """
    rows = [row for row in run.operators if row["Target"] == "CPU"]
    if not rows:
        return ()
    reasons = {
        found["name"]: _Reason(
            found["operator"], found["reason"], " ".join(found["constraint"].split())
        )
        for found in _WARNING.finditer(run.messages)
    }
    supported = supported_operators(settings)
    operators = []
    for row in rows:
        name = row["Name"]
        why = reasons.get(name) or reasons.get(name + BEFORE_ACTIVATION)
        if why is None:
            operators.append(OnCpu(name, row["Original Operator"], "Vela gives no reason"))
            continue
        fix = _fix(why, configuration, supported)
        operators.append(OnCpu(name, why.operator, why.reason.rstrip("."), fix))
    return tuple(operators)


def _fix(
    why: _Reason, configuration: Configuration, supported: Mapping[str, frozenset[str]]
) -> str:
    if FLOAT in why.reason:
        return f"replace the operator in front of {why.operator}, which is computed in float"
    if why.reason != UNSUPPORTED:
        return f"{why.operator}: {why.constraint.rstrip('.')}" if why.constraint else ""
    is_older = configuration.generation != NEWER
    if is_older and why.operator in supported.get(NEWER, frozenset()):
        return f"an Ethos-U85 computes {why.operator}: --for {NEWER}-256"
    return FIXES.get(why.operator, "")
