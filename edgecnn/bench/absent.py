"""Rows of a plug-in engine that a board does not have: what they are, and what would install it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.bench.wanted import Wanted, artefacts_of, engine_name
from edgecnn.devices.board import OWN_PACKAGES
from edgecnn_runtime.engines import (
    ENGINES,
    engine_entry,
    engine_names,
    engine_of_format,
    package_of,
)
from edgecnn_runtime.measure.job import Environment, Subject


@dataclass(frozen=True)
class Absent:
    """A row that is wanted and that nothing there can run."""

    subject: Subject
    reason: str


@dataclass(frozen=True)
class Asked:
    """What the environments of a board answered when they were asked for their engines.

    Attributes:
        environments: as `Board.prepare` made them.
        hosts: environment → the agent's ``host`` event in it.
        failures: environment → why the agent did not run in it.
    """

    environments: Mapping[str, Environment]
    hosts: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, str] = field(default_factory=dict)

    def has(self, engine: str) -> bool:
        """Whether an engine works in one of the environments."""
        return any(host["engines"].get(engine) is not None for host in self.hosts.values())


def absent_rows(
    wanted: Wanted, places: Mapping[Path, str], answers: Asked, board: str
) -> tuple[Absent, ...]:
    """The rows of each plug-in engine that `wanted` needs and that no environment has.

    Args:
        places: where each bundle lies on the board.
        board: its name.
    """
    engines = [name for name in _plugins(wanted) if not answers.has(name)]
    return tuple(
        Absent(
            Subject(places[bundle], artefact.path, engine, artefact.precision),
            why_absent(engine, answers, board),
        )
        for bundle in wanted.bundles
        for artefact in artefacts_of(bundle, wanted)
        for engine in engines
        if artefact.format in engine_entry(engine).formats
    )


def why_absent(engine: str, answers: Asked, board: str) -> str:
    """Which package of a plug-in engine is missing on a board, and what to do."""
    package = package_of(engine)
    missing = [
        host["missing"][engine] for host in answers.hosts.values() if engine in host["missing"]
    ]
    if missing:
        return f"{engine} {missing[0]['reason']}, {missing[0]['mend']}"
    # Interpreters that see what is installed for them; the others see nothing but what was sent.
    pythons = [one.command[0] for one in answers.environments.values() if not one.path]
    if not pythons:
        return (
            f"{engine} comes with the package {package}, which cannot be brought to {board}; "
            "measure it on a device whose own interpreter has it"
        )
    failure = answers.failures.get(OWN_PACKAGES)
    why = f"cannot be looked for ({failure})" if failure else "is not installed there"
    return f"{engine} {why}: {pythons[0]} -m pip install {package}"


def why_not_brought(wanted: Wanted, board: str) -> dict[str, str]:
    """Package → the reason, of every plug-in engine that is wanted on a board without a Python."""
    nothing = Asked({}, {})
    return {package_of(name): why_absent(name, nothing, board) for name in _plugins(wanted)}


def _plugins(wanted: Wanted) -> list[str]:
    """The plug-in engines that are named, or that alone open a format of the bundle."""
    names = {engine_name(name) for name in wanted.engines}
    if not wanted.engines:
        formats = {artefact.format for artefact in artefacts_of(wanted.bundle, wanted)}
        names = {engine for format in formats if (engine := engine_of_format(format))}
    return [name for name in engine_names() if name in names and name not in ENGINES]
