"""Verification of one artefact in a subprocess, so that an engine's crash is only a row."""

from __future__ import annotations

import json

from edgecnn_runtime.engines.identity import EngineId
from edgecnn_runtime.host.process import agent_command, signal_name
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.row import Parity, parity_from_json

TIMEOUT_S = 600


def verify_isolated(bundle: str, artefact: Artefact, engine: str) -> Parity:
    """What `verify.verify_artefact` says of one artefact on one engine, from a process of its own.

    The verdict is "crashed" where that process ended without an answer.

    Args:
        bundle: path of the bundle.
        engine: name of the engine.
    """
    import subprocess

    command = [
        *agent_command(),
        *("verify", bundle, "--engine", engine, "--artefact", artefact.path),
    ]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return _crashed(artefact, engine, f"gave no answer in {TIMEOUT_S} s")
    if ran.returncode < 0:
        return _crashed(artefact, engine, f"died of {signal_name(-ran.returncode)}")
    rows = [row for line in ran.stdout.splitlines() if (row := _row(line))]
    if ran.returncode == 0 and len(rows) == 1:
        return rows[0]
    said = (ran.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
    return _crashed(artefact, engine, f"ended with exit code {ran.returncode}: {said}")


def _crashed(artefact: Artefact, engine: str, how: str) -> Parity:
    note = f"the engine {how}"
    return Parity(artefact.path, EngineId(engine), artefact.precision, "crashed", None, note)


def _row(line: str) -> Parity | None:
    """The row that a line of the agent holds; None for a line of anything else."""
    try:
        fields = json.loads(line)
        if fields.pop("event") != "row":
            return None
        return parity_from_json(fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        # An engine may print on stdout; whatever it is, it is no row.
        return None
