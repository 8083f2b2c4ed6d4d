"""This machine: the agent is a process of this interpreter, of others, or one with a browser."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.devices.agent_zipapp import write_agent
from edgecnn.devices.board import Event, Facts, Offer, ask_host
from edgecnn.devices.events import agent_events, start_agent
from edgecnn.devices.names import BROWSER, HOST
from edgecnn.devices.probe import PROBE_SCRIPT, read_facts
from edgecnn.errors import DeviceFailed
from edgecnn_runtime.engines import package_of
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.measure.job import Environment

PROBE_TIMEOUT_S = 30


class LocalBoard:
    """This machine, with one environment for each interpreter.

    They are one board, not several: benches at the same time on one machine would disturb each
    other.
    """

    is_timed = True
    sent_bytes = 0

    def __init__(self, name: str, interpreters: Mapping[str, str | None]) -> None:
        """Nothing is started yet.

        Args:
            interpreters: environment → path of its interpreter; None for this one. That of
                `BROWSER` runs its rows in pages.
        """
        self.name = name
        self._interpreters = dict(interpreters)

    def facts(self) -> Facts:
        try:
            ran = subprocess.run(
                ["/bin/sh", "-c", PROBE_SCRIPT],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROBE_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeviceFailed(f"this machine cannot be examined: {error}") from error
        return read_facts(ran.stdout.decode(errors="replace"))

    def offer(self) -> Offer:
        environments: dict[str, dict[str, str]] = {}
        reasons: dict[str, str] = {}
        working: set[str] = set()
        for name in self._interpreters:
            host = self.host(name)
            environments[name] = {
                one["package"]: one["version"]
                for engine, one in host["ids"].items()
                if engine not in ENGINES or not ENGINES[engine].is_double
            }
            for engine, missing in host["missing"].items():
                reasons.setdefault(engine, f"{missing['reason']}; {missing['mend']}")
            working |= host["ids"].keys()
        refused = {package_of(one): why for one, why in reasons.items() if one not in working}
        return Offer(environments, refused)

    def prepare(self, packages: Collection[str] | None = None) -> Mapping[str, Environment]:
        # Nothing is sent; `offer` lists the packages of each interpreter.
        if BROWSER in self._interpreters:
            from edgecnn.devices.browser.prepare import prepare_browser

            prepare_browser(packages)
        return {name: self._environment(name) for name in self._interpreters}

    def send(self, bundles: Sequence[Path]) -> Mapping[Path, str]:
        return {bundle: str(bundle.absolute()) for bundle in bundles}

    @contextlib.contextmanager
    def agent(
        self, environment: str, arguments: Sequence[str], *, job: Mapping[str, Any] | None = None
    ) -> Iterator[Iterator[Event]]:
        chosen = self._environment(environment)
        path = os.pathsep.join([*chosen.path, *_python_path()])
        variables = dict(os.environ) | ({"PYTHONPATH": path} if path else {})
        agent = start_agent([*chosen.command, *arguments], environment=variables)
        with agent_events(agent, job) as events:
            yield events

    def host(self, name: str) -> Event:
        """The agent's facts of this machine, and the engines of an interpreter.

        Raises:
            DeviceFailed: it does not run there; names the interpreter.
        """
        try:
            return ask_host(self, name)
        except DeviceFailed as error:
            raise DeviceFailed(f"{name}: {error}", device=name) from error

    def close(self) -> None:
        """No effect: a local board leaves no files."""

    def _environment(self, name: str) -> Environment:
        python = self._interpreters[name]
        if name == BROWSER:
            return Environment((sys.executable, "-m", "edgecnn.devices.browser"))
        if python is None:
            return Environment((sys.executable, "-m", "edgecnn_runtime"))
        return Environment((python, str(agent_file())))


def this_machine() -> LocalBoard:
    """This interpreter alone."""
    return LocalBoard(HOST, {HOST: None})


def agent_file() -> Path:
    """The agent as one file in the cache, for interpreters without edgecnn.

    Raises:
        DeviceFailed: the cache cannot be written.
    """
    from edgecnn.fetch import cache_folder

    folder = cache_folder() / "agent"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            agent = Path(scratch) / "agent.pyz"
            write_agent(agent)
            # Named by its digest: a running bench keeps its own file when edgecnn is updated.
            digest = hashlib.sha256(agent.read_bytes()).hexdigest()[:12]
            return agent.replace(folder / f"edgecnn-agent-{digest}.pyz")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DeviceFailed(
            f"cannot write the agent into {folder}: {reason}; EDGECNN_CACHE names another folder"
        ) from error


def _python_path() -> list[str]:
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
