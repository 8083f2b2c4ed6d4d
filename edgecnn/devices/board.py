"""The `Board` protocol: facts, engines, files and the agent of a machine, on any transport."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from edgecnn.errors import DeviceFailed
from edgecnn_runtime.measure.job import Environment

Event = dict[str, Any]

OWN_PACKAGES = "own packages"
"""The environment of a board's interpreter with what is installed for it, where plug-in engines are
looked for. No device can have this name."""


@dataclass(frozen=True)
class Interpreter:
    """A Python on a board.

    Attributes:
        path: of the interpreter.
        version: major, minor and micro.
    """

    path: str
    version: tuple[int, int, int]


@dataclass(frozen=True)
class Facts:
    """Facts of a board that decide its wheels, read by a POSIX shell alone.

    Attributes:
        model: the board or product; None where it is unknown.
        cpu: the cores, by name.
        kernel: machine name of the kernel, as ``uname -m`` prints it.
        machine: of the userland, as wheel tags write it: ``aarch64``, ``armv7l``, ``armv6l``,
            ``x86_64``, … A 64-bit kernel may run a 32-bit userland.
        libc: ``glibc`` or ``musl``, and its version; None where it is unknown.
        pythons: every Python that was found, best first.
        cores: number of processor cores.
        features: of the processor, as /proc/cpuinfo names them: ``asimddp``, ``i8mm``, ``fphp`` …;
            sorted.
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
class Offer:
    """Engines available to a board, and the reasons why others are not.

    Attributes:
        environments: name → packages that go together, ``{"main": {"onnxruntime": "1.32.0", …}}``.
            What cannot share one (NumPy 1 beside NumPy 2) is apart.
        refused: engine package → the reason, in words.
    """

    environments: Mapping[str, Mapping[str, str]]
    refused: Mapping[str, str] = field(default_factory=dict)


class Board(Protocol):
    """A machine that a bench can probe, send files to, and run the agent on.

    The agent is `edgecnn_runtime`; the commands that it takes, and the events that it answers with,
    are documented in `edgecnn_runtime.agent`.
    """

    name: str
    """The user's name for it."""
    is_timed: bool
    """Whether a time measured there is a latency; False for an emulated board."""

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to the board so far."""
        ...

    def facts(self) -> Facts:
        """Facts of the board.

        Raises:
            DeviceFailed, and its subclasses: it cannot be reached or refuses.
        """
        ...

    def offer(self) -> Offer:
        """The engines that it has or can be given."""
        ...

    def prepare(self, packages: Collection[str] | None = None) -> Mapping[str, Environment]:
        """Bring the agent and the engines there. Name → how a job starts the agent with them.

        What is there already is not sent again.

        Args:
            packages: of `Offer`, the engines that are needed, such as ``ai-edge-litert``; one that
                cannot be had is left out. None is all that can be had, and of several packages of
                one engine the first in the table of engines. That of a plug-in engine is not
                brought: it is looked for in the interpreter's `OWN_PACKAGES`.
        """
        ...

    def send(self, bundles: Sequence[Path]) -> Mapping[Path, str]:
        """Bring bundles there for as long as the board is open; where each of them lies."""
        ...

    def agent(
        self, environment: str, arguments: Sequence[str], *, job: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Iterator[Event]]:
        """Run the agent in one of the environments that `prepare` named; its events, as they come.

        Leaving the context ends the agent and whatever it started, finished or not.

        Args:
            job: written to the agent's standard input as one line of JSON.

        Raises:
            DeviceFailed: while iterating, when the agent refused or failed; its own message.
            ConnectionLost: while iterating, when the link to the board broke.
        """
        ...

    def close(self) -> None:
        """Remove what only this bench needed. Closing twice is allowed."""
        ...


def ask_host(board: Board, environment: str) -> Event:
    """The agent's facts of a board, and the engines of one of its environments.

    Raises:
        DeviceFailed: it does not run there, or sends no report.
    """
    with host_query(board, environment) as answer:
        return answer()


@contextmanager
def host_query(board: Board, environment: str) -> Iterator[Callable[[], Event]]:
    """Start the query of `ask_host` now; calling the context's value waits for its answer."""
    with board.agent(environment, ["host"]) as events:

        def answer() -> Event:
            for event in events:
                if event["event"] == "host":
                    return event
            raise DeviceFailed("the agent did not report this machine")

        yield answer
