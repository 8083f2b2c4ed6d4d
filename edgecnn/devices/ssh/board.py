"""A board over ssh: it is probed, gets the agent and engines, and runs the agent."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from edgecnn.devices.board import OWN_PACKAGES, Event, Facts, Interpreter, Offer
from edgecnn.devices.events import agent_events, start_agent
from edgecnn.devices.local import agent_file
from edgecnn.devices.probe import PROBE_SCRIPT, BoardFacts, read_probe
from edgecnn.devices.ssh.connection import Connection
from edgecnn.devices.ssh.interpreters import (
    check_pythons,
    fit_pythons,
    named_python,
    shown_pythons,
)
from edgecnn.devices.ssh.messages import failure_of
from edgecnn.devices.ssh.store import Store, check_room, wheel_bytes, with_golden
from edgecnn.devices.static_agent import (
    ENVIRONMENT,
    StaticAgent,
    agent_program,
    is_offered,
    is_wanted,
    static_offer,
)
from edgecnn.devices.wheels import Supplies, Supply, choose, fetch_wheels
from edgecnn.errors import DeviceFailed, DeviceUnsuitable, NativeBuildFailed
from edgecnn_runtime.engines.table import PACKAGES
from edgecnn_runtime.measure.job import Environment

PROBE_S = 60


class SshBoard:
    """A board reached by ssh. It is not contacted before the first method is called."""

    is_timed = True

    def __init__(
        self, name: str, target: str, port: int | None = None, python: str | None = None
    ) -> None:
        """Nothing is opened yet.

        Args:
            target: as ssh takes it: USER@HOST, or a name of the user's configuration.
            python: an interpreter on the board; None takes the best that is found.

        Raises:
            DeviceConfigInvalid: ssh would take the target for an option.
        """
        self.name = name
        self._connection = Connection(name, target, port)
        self._python = python
        self._environments: dict[str, Environment] = {}
        self._static: StaticAgent | None = None
        self._chosen: dict[frozenset[str] | None, Supplies] = {}
        self._run = ""
        self._sent = 0
        self._undo = contextlib.ExitStack()
        self._undo.callback(self._connection.close)

    @property
    def sent_bytes(self) -> int:
        """Bytes of bundles, engines and the agent sent to the board so far."""
        return self._connection.sent_bytes

    def facts(self) -> Facts:
        return self._probe.facts

    def offer(self) -> Offer:
        if reason := self._why_static(None):
            return static_offer(reason)
        return self._supplies(None).offer()

    def prepare(self, packages: Collection[str] | None = None) -> Mapping[str, Environment]:
        if reason := self._why_static(packages):
            return self._prepare_static(reason)
        # The index is not asked where it offers none of the packages.
        is_supplied = packages is None or any(name in PACKAGES for name in packages)
        supplies = self._supplies(packages).chosen(packages) if is_supplied else ()
        stored = self._store.content()
        self._send_wheels(supplies, stored)
        agent = agent_file()
        if f"agents/{agent.name}" not in stored:
            self._store.put_agent(agent, agent.name)
        self._environments = {one.name: self._environment(one, agent.name) for one in supplies}
        if packages is not None and any(name not in PACKAGES for name in packages):
            command = (
                check_pythons(self.name, self._interpreters)[0].path,
                f"{self._store.folder}/agents/{agent.name}",
            )
            self._environments[OWN_PACKAGES] = Environment(command)
        return self._environments

    def send(self, bundles: Sequence[Path]) -> Mapping[Path, str]:
        if not self._run:
            self._run = self._keep_run()
        files = [file for bundle in bundles for file in with_golden(bundle)]
        size_bytes = sum(file.stat().st_size for file in files)
        names = ", ".join(bundle.name for bundle in bundles)
        check_room(self.name, names, size_bytes, self._store.free_bytes())
        places: dict[Path, str] = {}
        for bundle in bundles:
            # Numbered: two may have one name.
            self._sent += 1
            folder = f"{self._run}/{self._sent}"
            if self._static is not None:
                places[bundle] = self._static.send(bundle, f"{self._store.folder}/{folder}")
                continue
            for file in with_golden(bundle):
                self._store.put_bundle(file, f"{folder}/{file.name}")
            places[bundle] = f"{self._store.folder}/{folder}/{bundle.name}"
        return places

    @contextlib.contextmanager
    def agent(
        self, environment: str, arguments: Sequence[str], *, job: Mapping[str, Any] | None = None
    ) -> Iterator[Iterator[Event]]:
        if self._static is not None:
            with self._static.events(arguments, job) as events:
                yield events
            return
        with self._started(_script(self._environments[environment], arguments), job) as events:
            yield events

    def close(self) -> None:
        self._undo.close()

    @contextlib.contextmanager
    def _started(
        self, script: str, job: Mapping[str, Any] | None = None
    ) -> Iterator[Iterator[Event]]:
        self._connection.open()
        process = start_agent(self._connection.command(script))
        failure = failure_of(self.name, self._connection.is_lost)
        with agent_events(process, job, failure=failure) as events:
            yield events

    def _why_static(self, packages: Collection[str] | None) -> str:
        """Why the static agent measures there, in words; empty where a Python does, or none can."""
        if not (is_wanted(packages) and is_offered(self.facts().machine)):
            return ""
        if self._python is None and not fit_pythons(self._interpreters):
            found = shown_pythons(self._interpreters)
            return f"{self.name} has {found}, the agent needs 3.11 or newer"
        if self._supplies(packages).environments:
            return ""
        return f"no engine has wheels for {self.name}'s {self.facts().machine} and Python"

    def _prepare_static(self, reason: str) -> Mapping[str, Environment]:
        """Bring the static agent's program there."""
        try:
            program = agent_program(self.facts().machine)
        except NativeBuildFailed as error:
            raise DeviceUnsuitable(f"{reason}; {error}", device=self.name) from error
        digest = hashlib.sha256(program.read_bytes()).hexdigest()[:12]
        name = f"{program.name}-{digest}"
        if f"agents/{name}" not in self._store.content():
            self._store.put_agent(program, name, is_program=True)
        command = f"{self._store.folder}/agents/{name}"
        # Without limits: those that open a plan get the budget's in place of these.
        self._environments = {ENVIRONMENT: Environment((command, "0", "0"))}

        def start(words: Sequence[str]) -> contextlib.AbstractContextManager[Iterator[Event]]:
            return self._started(f"exec {shlex.join([command, *words])}")

        self._static = StaticAgent(reason, start, self._store.put_content)
        return self._environments

    @cached_property
    def _probe(self) -> BoardFacts:
        """Probe the board.

        Raises:
            DeviceUnsuitable: it does not run Linux.
        """
        probe = read_probe(self._connection.run(PROBE_SCRIPT, timeout_s=PROBE_S))
        if probe.system != "Linux":
            raise DeviceUnsuitable(
                f"{self.name} runs {probe.system or 'an unknown system'}, expected Linux",
                device=self.name,
            )
        return probe

    def _supplies(self, packages: Collection[str] | None) -> Supplies:
        # Asked at once, and again when the bench is refused.
        key = packages if packages is None else frozenset(packages)
        if key not in self._chosen:
            pythons = check_pythons(self.name, self._interpreters)
            self._chosen[key] = choose(self.facts(), pythons, packages)
        return self._chosen[key]

    @cached_property
    def _store(self) -> Store:
        return Store(self._connection, self._probe.cache)

    @cached_property
    def _interpreters(self) -> tuple[Interpreter, ...]:
        """Those that were found, or the one that the user names."""
        if self._python is None:
            return self.facts().pythons
        return (named_python(self._connection, self._python),)

    def _send_wheels(self, supplies: Sequence[Supply], stored: Collection[str]) -> None:
        wheels = {
            wheel: supply
            for supply in supplies
            for wheel in supply.wheels
            if f"wheels/{wheel.sha256}" not in stored
        }
        paths = {
            wheel: fetch_wheels([wheel], supply.target)[wheel] for wheel, supply in wheels.items()
        }
        needed = wheel_bytes(paths.values())
        check_room(self.name, "engines (fewer with --engine)", needed, self.facts().disk_bytes)
        for wheel, path in paths.items():
            self._store.put_wheel(path, wheel.sha256, wheels[wheel].python.path)

    def _environment(self, supply: Supply, agent: str) -> Environment:
        folder = self._store.folder
        return Environment(
            # -S, -s: nothing of the board's own packages is imported in place of what was sent.
            command=(supply.python.path, "-S", "-s", f"{folder}/agents/{agent}"),
            path=tuple(f"{folder}/wheels/{wheel.sha256}" for wheel in supply.wheels),
        )

    def _keep_run(self) -> str:
        """Make a folder for bundles in the store; the board removes it when the connection ends."""
        run = f"runs/{secrets.token_hex(8)}"
        environment = next(iter(self._environments.values()))
        script = _script(environment, ["keep", f"{self._store.folder}/{run}"])
        keeper = start_agent(self._connection.command(script))
        events = self._undo.enter_context(
            agent_events(keeper, failure=failure_of(self.name, self._connection.is_lost))
        )
        if next(events, {}).get("event") != "kept":
            raise DeviceFailed(f"{self.name}: the agent could not make {run}", device=self.name)
        self._undo.callback(self._remove, run)
        return run

    def _remove(self, run: str) -> None:
        # The keeper does so as well, but a moment later.
        with contextlib.suppress(DeviceFailed):
            self._connection.run(f"rm -rf {shlex.quote(f'{self._store.folder}/{run}')}")


def _script(environment: Environment, arguments: Sequence[str]) -> str:
    path = shlex.quote(":".join(environment.path))
    return f"PYTHONPATH={path} exec {shlex.join([*environment.command, *arguments])}"
