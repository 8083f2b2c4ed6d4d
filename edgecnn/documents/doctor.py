"""JSON document of ``edgecnn doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn.bundles.opens import Opens
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
        order: of this machine: the engines and precisions that `edgecnn_runtime.open` takes where
            nothing was measured, the fastest first.
        opens: what it takes of the bundle that was given; null without one.
    """

    device: str
    host: Host | None
    state: HostState | None
    checks: tuple[Check, ...]
    facts: Facts | None
    environments: Mapping[str, Mapping[str, str]]
    refused: Mapping[str, str]
    order: tuple[str, ...] = ()
    opens: Opens | None = None
