"""Rows without an engine on a board, each with the reason: plug-ins, and all that need Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.bench.wanted import Wanted, artefacts_of, engine_name
from edgecnn.devices.board import OWN_PACKAGES
from edgecnn.devices.names import BROWSER
from edgecnn.web.engines import WEB_ENGINES
from edgecnn_runtime.engines import engine_entry, engine_names, engine_of_format, package_of
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.measure.job import Environment, Subject


@dataclass(frozen=True)
class Absent:
    """A requested row that the board has no engine for, and the reason."""

    subject: Subject
    reason: str


@dataclass(frozen=True)
class EngineReports:
    """Reports of a board's environments about their engines.

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
    wanted: Wanted, places: Mapping[Path, str], reports: EngineReports, board: str
) -> tuple[Absent, ...]:
    """The rows of each plug-in engine that `wanted` needs and that no environment has.

    On a board that the static agent measures they are joined by the rows of all engines but native.

    Args:
        places: where each bundle lies on the board.
        board: its name.
    """
    plugins = [name for name in _plugins(wanted) if not reports.has(name)]
    reasons = {name: why_absent(name, reports, board) for name in plugins}
    names = {engine_name(name) for name in wanted.engines}
    for host in reports.hosts.values():
        reasons |= {
            engine: reason
            for engine, reason in host.get("absent", {}).items()
            if not names or engine in names
        }
    return tuple(
        Absent(Subject(places[bundle], artefact.path, engine, artefact.precision), reason)
        for bundle in wanted.bundles
        for artefact in artefacts_of(bundle, wanted)
        for engine, reason in reasons.items()
        if artefact.format in engine_entry(engine).formats
    )


def why_absent(engine: str, reports: EngineReports, board: str) -> str:
    """The missing package of a plug-in engine on a board, and how to install it."""
    package = package_of(engine)
    missing = [
        host["missing"][engine] for host in reports.hosts.values() if engine in host["missing"]
    ]
    if missing:
        return f"{engine} {missing[0]['reason']}, {missing[0]['mend']}"
    # Interpreters that see what is installed for them; the others see nothing but what was sent.
    pythons = [one.command[0] for one in reports.environments.values() if not one.path]
    if not pythons:
        return (
            f"{engine} comes with the package {package}, which cannot be brought to {board}; "
            "measure it on a device whose own interpreter has it"
        )
    failure = reports.failures.get(OWN_PACKAGES)
    why = f"cannot be looked for ({failure})" if failure else "is not installed there"
    return f"{engine} {why}: {pythons[0]} -m pip install {package}"


def left_out_of_pages(wanted: Wanted, reports: EngineReports) -> list[str]:
    """Artefacts that no engine of a page opens, in words; none where no browser is asked."""
    if BROWSER not in reports.environments:
        return []
    missing = reports.hosts.get(BROWSER, {}).get("missing", {})
    reasons = {
        engine.format: f"{name} {missing[name]['reason']}; {missing[name]['mend']}"
        for name, engine in WEB_ENGINES.items()
        if name in missing
    }
    formats = {engine.format for engine in WEB_ENGINES.values()} - reasons.keys()
    return [
        f"{artefact.path} is left out in the browser: "
        + reasons.get(artefact.format, f"no engine there opens {artefact.format}")
        for bundle in wanted.bundles
        for artefact in artefacts_of(bundle, wanted)
        if artefact.format not in formats
    ]


def why_not_brought(wanted: Wanted, board: str) -> dict[str, str]:
    """Package → the reason, of every plug-in engine that is wanted on a board without a Python."""
    nothing = EngineReports({}, {})
    return {package_of(name): why_absent(name, nothing, board) for name in _plugins(wanted)}


def _plugins(wanted: Wanted) -> list[str]:
    """The plug-in engines that are named, or that alone open a format of the bundle."""
    names = {engine_name(name) for name in wanted.engines}
    if not wanted.engines:
        formats = {artefact.format for artefact in artefacts_of(wanted.bundle, wanted)}
        names = {engine for format in formats if (engine := engine_of_format(format))}
    return [name for name in engine_names() if name in names and name not in ENGINES]
