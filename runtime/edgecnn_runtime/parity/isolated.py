"""Verification of one artefact in a subprocess; an engine's crash becomes a row of the table."""

from __future__ import annotations

import json
from dataclasses import dataclass

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.engines.table import REFERENCE
from edgecnn_runtime.host.process import agent_command, signal_name
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.row import Parity, parity_from_json

# Reading a bundle and running its examples take as long as so many steps of the budget at most.
STEPS = 8


@dataclass(frozen=True)
class _Subject:
    """What a process verifies: a file of the bundle on an engine."""

    path: str
    precision: str
    engine: str


def verify_isolated(bundle: str, artefact: Artefact, engine: str, budget: Budget) -> Parity:
    """Verify one artefact on one engine as `verify.verify_artefact` does, in another process.

    The verdict is "crashed" if that process ends without a row.

    Args:
        bundle: path of the bundle.
        engine: name of the engine.
        budget: the process is held to it.
    """
    return _verify(bundle, _Subject(artefact.path, artefact.precision, engine), budget)


def verify_training_isolated(bundle: Bundle) -> Parity | None:
    """Verify the training graph as `training.verify_training` does, in another process."""
    training = bundle.manifest.training
    if training is None:
        return None
    subject = _Subject(training.graph, training.backbone, REFERENCE)
    return _verify(bundle.path, subject, bundle.budget)


def _verify(bundle: str, subject: _Subject, budget: Budget) -> Parity:
    import subprocess

    timeout_s = STEPS * budget.step_seconds
    command = [
        *agent_command(),
        *("verify", bundle, "--engine", subject.engine, "--artefact", subject.path),
        *budget.options(),
    ]
    try:
        completed = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _crashed(subject, f"gave no answer in {timeout_s:g} s")
    code = completed.returncode
    if code < 0:
        return _crashed(subject, f"died of {signal_name(-code)}")
    rows = [row for line in completed.stdout.splitlines() if (row := _row(line))]
    if code == 0 and len(rows) == 1:
        return rows[0]
    message = (completed.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
    return _crashed(subject, f"ended with exit code {code}: {message}")


def _crashed(subject: _Subject, reason: str) -> Parity:
    note = f"the engine {reason}"
    engine = EngineId(subject.engine)
    return Parity(subject.path, engine, subject.precision, "crashed", None, note)


def _row(line: str) -> Parity | None:
    """The row in a line that the agent printed; None for any other line."""
    try:
        fields = json.loads(line)
        if fields.pop("event") != "row":
            return None
        return parity_from_json(fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        # An engine may print on stdout too.
        return None
