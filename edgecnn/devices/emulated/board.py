"""An emulated board: a profile, a userland, engines from their real wheels, and QEMU for the rest.

Its programs cannot start others: the agent does all of its work in its own process.
"""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.devices.board import Event, Facts, Interpreter, Offer
from edgecnn.devices.build_once import build_once
from edgecnn.devices.emulated.board_files import board_files, write_files
from edgecnn.devices.emulated.instructions import Mark, build_plugin, plugin_arguments, read_marks
from edgecnn.devices.emulated.qemu import Qemu, check_cpu, find_qemu, guest_command
from edgecnn.devices.emulated.userland import GLIBC, PYTHON, userland
from edgecnn.devices.events import Ended, agent_events, agent_failure, start_agent
from edgecnn.devices.names import EMULATED
from edgecnn.devices.profile import Cluster, Emulation, Profile
from edgecnn.errors import DeviceFailed, EmulationUnavailable, IllegalInstruction
from edgecnn_runtime.measure.job import Environment

if TYPE_CHECKING:
    from edgecnn.devices.wheels import Supply

MACHINE = "aarch64"
# Folders of the userland. Paths outside them are those of this machine.
LINKED = ("bin", "etc", "lib", "sbin", "usr")
IMPORTS = """
import edgecnn_runtime.parity.answers
from edgecnn_runtime.agent import main
main(["host"])
"""
INTERPRETER = Interpreter("/usr/bin/python{}.{}".format(*PYTHON), PYTHON)


class EmulatedBoard:
    """Emulated board of a profile: real outputs and instruction counts, no latency."""

    is_timed = False
    sent_bytes = 0

    def __init__(self, profile: Profile) -> None:
        """Nothing is built or started yet."""
        self.name = f"{profile.name}{EMULATED}"
        self.profile = profile
        self.environments: dict[str, Environment] = {}
        """Environments made by `prepare`, and any others to start the agent with."""
        self._undo = contextlib.ExitStack()

    def facts(self) -> Facts:
        emulation, cluster = self._emulation, self._cluster
        return Facts(
            model=emulation.model,
            cpu=cluster.core,
            kernel=MACHINE,
            machine=MACHINE,
            libc=("glibc", GLIBC),
            pythons=(INTERPRETER,),
            cores=cluster.count,
            features=tuple(sorted(emulation.features.split())),
            memory_bytes=None,
            available_bytes=None,
            disk_bytes=None,
        )

    def offer(self) -> Offer:
        from edgecnn.devices.wheels import choose

        return choose(self.facts(), self.facts().pythons).offer()

    def prepare(self, packages: Collection[str] | None = None) -> Mapping[str, Environment]:
        """Prepare the environments as `Board.prepare` does; needs no root and runs no program.

        Raises:
            EmulationUnavailable: QEMU or what builds a userland is missing; says what to install.
        """
        from edgecnn.devices.wheels import choose

        command = tuple(self._command([]))
        facts = self.facts()
        for supply in choose(facts, facts.pythons, packages).chosen(packages):
            path = (str(_agent()), str(_engines(supply)))
            self.environments[supply.name] = Environment(command, path)
            build_once("imported", json.dumps(path), functools.partial(self._import, path))
        return dict(self.environments)

    def send(self, bundles: Sequence[Path]) -> Mapping[Path, str]:
        return {bundle: str(bundle.absolute()) for bundle in bundles}

    @contextlib.contextmanager
    def agent(
        self, environment: str, arguments: Sequence[str], *, job: Mapping[str, Any] | None = None
    ) -> Iterator[Iterator[Event]]:
        with self._agent(environment, arguments, job, None) as events:
            yield events

    def counted(self, environment: str, arguments: Sequence[str]) -> tuple[list[Event], list[Mark]]:
        """Run the agent to its end; its events, and what was counted at its marks.

        Raises:
            EmulationUnavailable: nothing can be counted here; the agent was not run.
            DeviceFailed: as `agent` says.
        """
        build_plugin(self.qemu)
        with tempfile.TemporaryDirectory() as folder:
            marks = Path(folder) / "marks"
            with self._agent(environment, arguments, None, marks) as events:
                printed = list(events)
            return printed, read_marks(marks)

    def close(self) -> None:
        self._undo.close()

    @property
    def words(self) -> str:
        """Description of the board, for one line of a report."""
        what = f"{self._emulation.model}, emulated {self._cluster.core} ({self.qemu.words})"
        return f"{what}: counts and answers, no latency"

    @functools.cached_property
    def qemu(self) -> Qemu:
        """The QEMU of this machine, checked for the board's processor.

        Raises:
            EmulationUnavailable: there is none, or it cannot emulate the processor.
        """
        qemu = find_qemu()
        check_cpu(qemu, self._emulation.qemu_cpu)
        return qemu

    @functools.cached_property
    def root(self) -> Path:
        """Path mapping of the board: the userland, and the board's own /proc and /sys."""
        system = userland()
        texts = board_files(self._emulation.model, self._cluster, self._emulation)

        def build(folder: Path) -> None:
            for name in LINKED:
                (folder / name).symlink_to(system / name)
            write_files(folder, texts)

        return build_once(self.name, json.dumps([str(system), LINKED, texts]), build)

    @property
    def _emulation(self) -> Emulation:
        if self.profile.emulation is None:
            raise EmulationUnavailable(
                f"the profile {self.profile.name} has no processor of QEMU's, so the board "
                "cannot be emulated; edgecnn devices lists those that can"
            )
        return self.profile.emulation

    @property
    def _cluster(self) -> Cluster:
        """The fastest cores; a board with others has them alone here, QEMU emulates one kind."""
        return self.profile.clusters[0]

    def _command(self, plugin: Sequence[str]) -> list[str]:
        return self._python(["-m", "edgecnn_runtime"], plugin)

    def _python(self, arguments: Sequence[str], plugin: Sequence[str] = ()) -> list[str]:
        program = [str(userland() / INTERPRETER.path[1:]), *arguments]
        return guest_command(self.qemu, self._emulation.qemu_cpu, self.root, program, plugin)

    def _import(self, path: Sequence[str], _: Path) -> None:
        """Compile the modules that an agent imports, so that its first run counts like the others.

        A process that dies here is not reported: its rows report it.
        """
        subprocess.run(
            self._python(["-c", IMPORTS]),
            env=_variables(path),
            cwd=self._scratch,
            capture_output=True,
            check=False,
        )

    @contextlib.contextmanager
    def _agent(
        self,
        environment: str,
        arguments: Sequence[str],
        job: Mapping[str, Any] | None,
        marks: Path | None,
    ) -> Iterator[Iterator[Event]]:
        chosen = self.environments[environment]
        plugin = plugin_arguments(build_plugin(self.qemu), marks) if marks is not None else ()
        agent = start_agent(
            [*self._command(plugin), *arguments],
            environment=_variables(chosen.path),
            folder=self._scratch,
        )
        with agent_events(agent, job, failure=_failure) as events:
            yield events

    @functools.cached_property
    def _scratch(self) -> Path:
        """Scratch folder, for core dumps as well; removed when the board is closed."""
        folder = tempfile.TemporaryDirectory(prefix="edgecnn-emulated-")
        return Path(self._undo.enter_context(folder))


def _agent() -> Path:
    """A folder with the agent's package, the same that a board is sent as one file."""
    from edgecnn.devices.local import agent_file

    file = agent_file()

    def build(folder: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)

    return build_once("agent", file.name, build)


def _engines(supply: Supply) -> Path:
    """A folder with engines and what they require, as their wheels hold them."""
    from edgecnn.devices.wheels import fetch_wheels

    def build(folder: Path) -> None:
        for path in fetch_wheels(supply.wheels, supply.target).values():
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)

    return build_once("engines", json.dumps(sorted(wheel.sha256 for wheel in supply.wheels)), build)


def _variables(path: Sequence[str]) -> dict[str, str]:
    """The environment of a program on the board: nothing of this machine's."""
    return {
        "LC_ALL": "C.UTF-8",
        "PYTHONHOME": str(userland() / "usr"),
        "PYTHONPATH": ":".join(path),
        "PYTHONNOUSERSITE": "1",
        # Compiled by the first run, and not beside the sources: the userland is everybody's.
        "PYTHONPYCACHEPREFIX": str(build_once("bytecode", str(PYTHON), lambda folder: None)),
        # Two runs count alike only where they hash alike.
        "PYTHONHASHSEED": "0",
    }


def _failure(ended: Ended) -> DeviceFailed:
    """QEMU ends by the signal that ended its program."""
    if ended.exit_code == -signal.SIGILL:
        return IllegalInstruction(
            "illegal instruction: the engine uses one that this processor lacks; use "
            "another version of the engine"
        )
    return agent_failure(ended)
