"""JSON document of ``edgecnn doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn.devices.board import Facts
from edgecnn.devices.checks import Check
from edgecnn_runtime.host.facts import Host, HostState


@dataclass(frozen=True)
class DoctorDocument:
    """Checks of a machine.

    Attributes:
        device: its name.
        host, state: facts and load of the machine; null where no agent ran there.
        checks: each with the value found, and how to fix what is missing.
        facts: of a board, read without Python; null for this machine.
        environments: of a board: name → packages that go together, with their versions.
        refused: of a board: engine package → why it cannot have it.
    """

    device: str
    host: Host | None
    state: HostState | None
    checks: tuple[Check, ...]
    facts: Facts | None
    environments: Mapping[str, Mapping[str, str]]
    refused: Mapping[str, str]
