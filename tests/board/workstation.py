"""Workstation of a test: the command line, with a folder and a configuration of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from board.arm64 import Board
from board.faults import wait_until

EDGECNN = str(Path(sys.executable).with_name("edgecnn"))
RUNS = "/home/pi/.cache/edgecnn/runs"
LITERT = ("--engine", "tflite", "--threads", "1")
# One row, for as short a time as there is; and one that goes on until it is interrupted.
ROW = (*LITERT, "--precision", "fp32", "--cold-starts", "0")
SHORT = (*ROW, "--rounds", "8")
LONG = (*ROW, "--sustained", "10m")


@dataclass(frozen=True)
class Workstation:
    """Runs `edgecnn` as a user would, in a folder and with devices of its own."""

    folder: Path
    board: Board
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "EDGECNN_CONFIG": str(self.folder / "config"),
            "EDGECNN_SSH": f"ssh -F {self.board.ssh_config}",
        }

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """`edgecnn ARGUMENTS`, to its end."""
        return subprocess.run(
            [EDGECNN, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """`edgecnn ARGUMENTS`, which goes on."""
        process = subprocess.Popen(
            [EDGECNN, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        """End the processes that a failed test left running: they would hold the board."""
        for process in self.started:
            process.kill()
            process.communicate()

    def add(self, name: str = "rpi", port: int | None = None) -> None:
        """Add the board to the configuration as `name`, without contacting it."""
        where = (self.board.destination, "--port", str(port or self.board.port))
        ran = self.run("devices", "add", name, *where, "--no-check")
        assert ran.returncode == 0, ran.stderr

    def litert(self, network: Path) -> Path:
        """Where the board has LiteRT, from an earlier bench or from now on."""
        places = "home/pi/.cache/edgecnn/wheels/*/ai_edge_litert"
        if not any(self.board.root.glob(places)):
            assert self.run("bench", network, "--device", "rpi", *SHORT).returncode == 0
        (place,) = self.board.root.glob(places)
        return place

    def assert_nothing_is_left(self) -> None:
        """No program runs on the board any more, and no folder of a bench is there."""
        wait_until(lambda: not self.board.processes(), 10, "the board's processes end")
        wait_until(lambda: not self.left_runs(), 10, "the board's folders for runs are removed")

    def left_runs(self) -> set[str]:
        """Run folders that benches have left on the board."""
        folder = self.board.root / RUNS.lstrip("/")
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def events(self, journal: str) -> list[dict[str, Any]]:
        """The events of a file of results, so far."""
        path = self.folder / journal
        lines = path.read_text().splitlines() if path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:  # being written
                continue
        return [one for one in found if "event" in one]

    def rounds(self, journal: str) -> list[int]:
        """The numbers of the rounds that a file of results has, in its order."""
        return [one["number"] for one in self.events(journal) if one["event"] == "round"]


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Ctrl-C; what the command said."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)


def wait_for_rounds(station: Workstation, journal: str, process: subprocess.Popen[str]) -> None:
    """Until the bench is in the middle of its rounds."""
    end = time.monotonic() + 120
    while len(station.rounds(journal)) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no rounds within two minutes"
        time.sleep(0.05)
