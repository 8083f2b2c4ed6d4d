"""JSON document of ``edgecnn doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.devices.board import Interpreter
from edgecnn.devices.checks import Check
from edgecnn_runtime.host.facts import Host, HostState

if TYPE_CHECKING:
    from edgecnn.devices.board import Facts


@dataclass(frozen=True)
class FactsFields:
    """Facts of a board that decide its wheels.

    Attributes:
        model: the board or product; null where it is unknown.
        cpu: the cores, by name.
        kernel: machine name of the kernel, as ``uname -m`` prints it.
        machine: of the userland, as wheel tags write it.
        libc: "glibc" or "musl", and its version; null where it is unknown.
        pythons: every Python that was found, best first.
        cores: number of processor cores.
        features: of the processor, as /proc/cpuinfo names them.
        memory_bytes, available_bytes: of the whole board, and free for a new program.
        disk_bytes: free where edgecnn keeps its files.
    """

    model: str | None
    cpu: str | None
    kernel: str
    machine: str
    libc: tuple[str, tuple[int, int]] | None
    pythons: tuple[Interpreter, ...]
    cores: int
    features: tuple[str, ...]
    memory_bytes: int | None
    available_bytes: int | None
    disk_bytes: int | None


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
    facts: FactsFields | None
    environments: Mapping[str, Mapping[str, str]]
    refused: Mapping[str, str]


def facts_fields(facts: Facts) -> FactsFields:
    """The facts as a document has them; JSON has no sets."""
    return FactsFields(**vars(facts) | {"features": tuple(sorted(facts.features))})
