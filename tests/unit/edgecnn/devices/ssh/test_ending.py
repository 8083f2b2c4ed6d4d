"""However a bench ends, its agent ends too, and its bundles are gone from the board."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from board.faults import wait_until
from board.sshd import Server
from unit.edgecnn.devices.ssh.conftest import Reach
from unit.edgecnn.devices.wheels.own_index import Index

from edgecnn.devices.board import Event
from edgecnn.devices.ssh import SshBoard
from edgecnn.errors import ConnectionLost, DeviceFailed
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan, Subject

ENDS_S = 15.0
# A bench that is in the middle of its rounds, killed from outside.
CLIENT = """\
import sys
from pathlib import Path
from edgecnn.devices.ssh import SshBoard
from unit.edgecnn.devices.ssh.test_ending import long_job, until_rounds

target, port, python, bundle = sys.argv[1:]
board = SshBoard("rpi", target, port=int(port), python=python)
board.prepare(["onnxruntime"])
place = board.send([Path(bundle)])[Path(bundle)]
with board.agent("main", ["bench"], job=long_job(place)) as events:
    until_rounds(events)
    print("ready", flush=True)
    for event in events:
        pass
"""


def long_job(place: str) -> dict[str, Any]:
    subject = Subject(place, engine="onnxruntime", threads=1)
    plan = MeasurementPlan(warmup_s=0.2, sustained_s=600.0, cold_starts=0)
    return MeasurementJob((subject,), plan).to_json()


def until_rounds(events: Iterator[Event]) -> None:
    for event in events:
        if event["event"] == "round":
            return
    raise AssertionError("no rounds")


def assert_nothing_is_left(server: Server) -> None:
    wait_until(lambda: not server.sessions(), ENDS_S, "its processes end")
    assert list((server.cache / "runs").iterdir()) == []


@pytest.fixture
def board(server: Server, index: Index, reach: Reach) -> SshBoard:
    """A board with ONNX Runtime."""
    server.start()
    one = reach()
    one.prepare(["onnxruntime"])
    return one


@pytest.fixture
def place(board: SshBoard, onnx_bundle: Path) -> str:
    """Where a bundle lies on the board."""
    return board.send([onnx_bundle])[onnx_bundle]


def agents(server: Server) -> list[int]:
    """The agents that measure, and their workers."""
    return [pid for pid, words in server.commands().items() if {"bench", "work"} & {*words}]


def kill(server: Server, word: str) -> None:
    (pid,) = (pid for pid, words in server.commands().items() if word in words)
    os.kill(pid, signal.SIGKILL)


def error_after(board: SshBoard, place: str, harm: Callable[[], None]) -> DeviceFailed:
    """How a bench fails that is harmed in the middle of its rounds."""
    try:
        with board.agent("main", ["bench"], job=long_job(place)) as events:
            until_rounds(events)
            harm()
            for _ in events:
                pass
    except DeviceFailed as error:
        return error
    raise AssertionError("it came to its end")


def test_a_bench_that_is_left_ends_its_agent_and_workers(
    server: Server, board: SshBoard, place: str
) -> None:
    with board.agent("main", ["bench"], job=long_job(place)) as events:
        until_rounds(events)
        assert len(agents(server)) == 2
    wait_until(lambda: not agents(server), ENDS_S, "the agent and its worker end")
    assert Path(place).exists()
    board.close()
    assert_nothing_is_left(server)


def test_a_client_that_is_killed_leaves_nothing(
    server: Server, index: Index, onnx_bundle: Path
) -> None:
    server.start()
    python = str(Path(sys.executable).resolve())
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, server.target, str(server.port), python, str(onnx_bundle)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    assert len(agents(server)) == 2
    assert len(list((server.cache / "runs").iterdir())) == 1
    client.kill()
    client.wait()
    client.stdout.close()
    assert_nothing_is_left(server)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_an_ssh_that_is_killed_is_told_and_leaves_nothing(
    server: Server, board: SshBoard, place: str, number: signal.Signals
) -> None:
    master = board._connection._master
    assert master is not None
    error = error_after(board, place, lambda: os.kill(master.pid, number))
    assert isinstance(error, ConnectionLost)
    assert "the connection to rpi broke" in str(error)
    assert_nothing_is_left(server)
    with pytest.raises(ConnectionLost):
        board.prepare(["openvino"])
    board.close()


def test_a_connection_that_breaks_is_told_and_leaves_nothing(
    server: Server, board: SshBoard, place: str
) -> None:
    assert isinstance(error_after(board, place, server.drop), ConnectionLost)
    assert_nothing_is_left(server)


def test_a_bench_in_another_thread_ends_when_the_board_is_closed(
    server: Server, board: SshBoard, place: str
) -> None:
    begun, ended = threading.Event(), threading.Event()
    errors: list[DeviceFailed] = []

    def bench() -> None:
        try:
            with board.agent("main", ["bench"], job=long_job(place)) as events:
                until_rounds(events)
                begun.set()
                for _ in events:
                    pass
        except DeviceFailed as error:
            errors.append(error)
        ended.set()

    threading.Thread(target=bench, daemon=True).start()
    assert begun.wait(60)
    board.close()
    assert ended.wait(ENDS_S)
    assert errors
    assert_nothing_is_left(server)


def test_what_a_killed_keeper_left_is_swept_by_the_next_bench(
    server: Server, board: SshBoard, place: str, reach: Reach, onnx_bundle: Path
) -> None:
    other = reach()
    other.prepare(["onnxruntime"])
    kept = Path(other.send([onnx_bundle])[onnx_bundle])
    kill(server, str(Path(place).parents[1]))
    assert Path(place).exists()
    third = reach()
    third.prepare(["onnxruntime"])
    third.send([onnx_bundle])
    assert not Path(place).exists()
    assert kept.exists()


def test_an_agent_that_is_killed_is_told_as_such(
    server: Server, board: SshBoard, place: str
) -> None:
    error = error_after(board, place, lambda: kill(server, "bench"))
    assert "the agent on rpi was killed" in str(error)
    assert not isinstance(error, ConnectionLost)
    wait_until(lambda: not agents(server), ENDS_S, "its worker ends")
    with board.agent("main", ["host"]) as again:
        assert [one["event"] for one in again] == ["host"]


def test_a_command_that_is_killed_is_no_broken_connection(board: SshBoard) -> None:
    with pytest.raises(DeviceFailed, match="was killed there") as caught:
        board._connection.run("kill -9 $$")
    assert not isinstance(caught.value, ConnectionLost)
    assert board._connection.run("echo still here") == "still here\n"


def test_a_command_that_does_not_end_is_given_up(board: SshBoard) -> None:
    with pytest.raises(DeviceFailed, match="gave no answer in 1 s"):
        board._connection.run("sleep 60", timeout_s=1)
    assert board._connection.run("echo still here") == "still here\n"


def test_the_agents_own_words_arrive(board: SshBoard, place: str) -> None:
    with (
        pytest.raises(DeviceFailed, match=r"no/such\.edge"),
        board.agent("main", ["verify", "/no/such.edge"]) as events,
    ):
        list(events)


def test_a_greeting_on_either_stream_is_no_event_and_no_error(
    server: Server, index: Index, reach: Reach, onnx_bundle: Path
) -> None:
    greeting = 'echo "{\\"event\\": 1}"; echo welcome; echo welcome >&2'
    server.start(f'ForceCommand {greeting}; eval "$SSH_ORIGINAL_COMMAND"')
    board = reach()
    board.prepare(["onnxruntime"])
    places = board.send([onnx_bundle])
    with board.agent("main", ["host"]) as events:
        assert [one["event"] for one in events] == ["host"]
    with (
        pytest.raises(DeviceFailed, match=r"no/such\.edge"),
        board.agent("main", ["verify", "/no/such.edge"]) as events,
    ):
        list(events)
    assert Path(places[onnx_bundle]).exists()


def test_boards_are_used_from_several_threads_at_once(
    server: Server, index: Index, reach: Reach, onnx_bundle: Path
) -> None:
    server.start()
    boards = [reach(), reach()]

    def work(board: SshBoard) -> list[str]:
        board.prepare(["onnxruntime"])
        board.send([onnx_bundle])
        with board.agent("main", ["host"]) as events:
            found = [one["event"] for one in events]
        board.close()
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, boards)) == [["host"], ["host"]]
    assert_nothing_is_left(server)
