"""An Android device over adb: it is probed, gets the static agent's program, and runs it."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shlex
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from edgecnn.devices.adb.connection import Adb
from edgecnn.devices.board import Event, Facts, Offer
from edgecnn.devices.events import Ended, agent_events, agent_failure, start_agent
from edgecnn.devices.probe import PROBE_SCRIPT, read_facts
from edgecnn.devices.static_agent import (
    ENVIRONMENT,
    StaticAgent,
    agent_program,
    is_offered,
    is_wanted,
    static_offer,
)
from edgecnn.errors import ConnectionLost, DeviceFailed, DeviceUnsuitable
from edgecnn_runtime.host.process import signal_name
from edgecnn_runtime.measure.job import Environment

# Where adb's shell may write and run programs; Android itself has the folder.
FOLDER = "/data/local/tmp"
REASON = "an Android device is measured by the static agent, which has native alone"


class AdbBoard:
    """An Android device. It is not contacted before the first method is called."""

    is_timed = True

    def __init__(self, name: str, serial: str = "") -> None:
        """Nothing is started yet.

        Args:
            serial: as `adb devices` lists it; empty for the only one.
        """
        self.name = name
        self._adb = Adb(name, serial)
        self._agent: StaticAgent | None = None
        self._program = ""
        self._run = ""
        self._sent = 0
        self._undo = contextlib.ExitStack()

    @property
    def sent_bytes(self) -> int:
        return self._adb.sent_bytes

    def facts(self) -> Facts:
        return self._facts

    def offer(self) -> Offer:
        self._check_machine()
        return static_offer(REASON)

    def prepare(self, packages: Collection[str] | None = None) -> Mapping[str, Environment]:
        """Bring the static agent there.

        Raises:
            DeviceUnsuitable: the bench needs other engines, or the processor has no agent.
            NativeBuildFailed: the program cannot be built here; says what to install.
        """
        self._check_machine()
        if not is_wanted(packages):
            raise DeviceUnsuitable(
                f"{self.name}: {REASON}: it runs plans, which edgecnn export --target native "
                "writes",
                device=self.name,
            )
        program = agent_program(self.facts().machine)
        digest = hashlib.sha256(program.read_bytes()).hexdigest()[:12]
        self._program = f"{FOLDER}/edgecnn/{program.name}-{digest}"
        quoted = shlex.quote(self._program)
        is_there = f"mkdir -p {FOLDER}/edgecnn/runs; [ -x {quoted} ] && echo there || true"
        if self._adb.run(is_there).strip() != "there":
            self._adb.push(program, f"{self._program}.part")
            self._adb.run(f"chmod 700 {quoted}.part && mv {quoted}.part {quoted}")
        self._agent = StaticAgent(REASON, self._start, self._put)
        return {ENVIRONMENT: Environment((self._program,))}

    def send(self, bundles: Sequence[Path]) -> Mapping[Path, str]:
        assert self._agent is not None, "prepare comes first"
        if not self._run:
            self._run = self._keep_run()
        places = {}
        for bundle in bundles:
            # Numbered: two may have one name.
            self._sent += 1
            folder = f"{self._run}/{self._sent}"
            self._adb.run(f"mkdir {shlex.quote(folder)}")
            places[bundle] = self._agent.send(bundle, folder)
        return places

    @contextlib.contextmanager
    def agent(
        self, environment: str, arguments: Sequence[str], *, job: Mapping[str, Any] | None = None
    ) -> Iterator[Iterator[Event]]:
        assert self._agent is not None, "prepare comes first"
        with self._agent.events(arguments, job) as events:
            yield events

    def close(self) -> None:
        self._undo.close()

    @cached_property
    def _facts(self) -> Facts:
        """Probe the device; its model is Android's own name for it."""
        facts = read_facts(self._adb.run(PROBE_SCRIPT))
        properties = "getprop ro.product.manufacturer; getprop ro.product.model"
        try:
            model = " ".join(self._adb.run(properties).split())
        except ConnectionLost:
            raise
        except DeviceFailed:  # a Linux that answers adb
            model = ""
        return replace(facts, model=model or facts.model, pythons=())

    def _check_machine(self) -> None:
        machine = self.facts().machine
        if not is_offered(machine):
            raise DeviceUnsuitable(
                f"{self.name} is {machine}, for which there is no static agent", device=self.name
            )

    def _keep_run(self) -> str:
        """Make a folder for a bench, which the device removes when the connection ends."""
        run = f"{FOLDER}/edgecnn/runs/{secrets.token_hex(8)}"
        events = self._undo.enter_context(self._start(["0", "0", "keep", run]))
        if next(events, {}).get("event") != "kept":
            raise DeviceFailed(f"{self.name}: the agent could not make {run}", device=self.name)
        self._undo.callback(self._remove, run)
        return run

    def _remove(self, run: str) -> None:
        # The keeper does so as well, but a moment later.
        with contextlib.suppress(DeviceFailed):
            self._adb.run(f"rm -rf {shlex.quote(run)}")

    @contextlib.contextmanager
    def _start(self, words: Sequence[str]) -> Iterator[Iterator[Event]]:
        script = f"TMPDIR={FOLDER} exec {shlex.join([self._program, *words])}"
        process = start_agent(self._adb.command(script))
        with agent_events(process, failure=self._failure) as events:
            yield events

    def _put(self, content: bytes, place: str) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            self._adb.push(Path(file.name), place)

    def _failure(self, ended: Ended) -> DeviceFailed:
        last = (ended.stderr or ended.stdout or ("",))[-1]
        if ended.exit_code < 0 or self._adb.is_lost(last):
            return ConnectionLost(f"the connection to {self.name} broke: {last}", device=self.name)
        # A shell reports a signal so.
        if ended.exit_code > 128:
            how = signal_name(ended.exit_code - 128)
            return DeviceFailed(f"the agent on {self.name} was ended by {how}", device=self.name)
        return agent_failure(ended)
