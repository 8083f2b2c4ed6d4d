"""Verification of one artefact in a subprocess; an engine's crash becomes a row of the table."""

from __future__ import annotations

import json

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.engines.engine_id import EngineId
from edgecnn_runtime.host.process import agent_command, signal_name
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.row import Parity, parity_from_json

# Reading a bundle and running its examples take as long as so many steps of the budget at most.
STEPS = 8


def verify_isolated(bundle: str, artefact: Artefact, engine: str, budget: Budget) -> Parity:
    """Verify one artefact on one engine as `verify.verify_artefact` does, in another process.

    The verdict is "crashed" if that process ends without a row.

    Args:
        bundle: path of the bundle.
        engine: name of the engine.
        budget: the process is held to it.
    """
    import subprocess

    timeout_s = STEPS * budget.step_seconds
    command = [
        *agent_command(),
        *("verify", bundle, "--engine", engine, "--artefact", artefact.path),
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
        return _crashed(artefact, engine, f"gave no answer in {timeout_s:g} s")
    code = completed.returncode
    if code < 0:
        return _crashed(artefact, engine, f"died of {signal_name(-code)}")
    rows = [row for line in completed.stdout.splitlines() if (row := _row(line))]
    if code == 0 and len(rows) == 1:
        return rows[0]
    message = (completed.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
    return _crashed(artefact, engine, f"ended with exit code {code}: {message}")


def _crashed(artefact: Artefact, engine: str, reason: str) -> Parity:
    note = f"the engine {reason}"
    return Parity(artefact.path, EngineId(engine), artefact.precision, "crashed", None, note)


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
