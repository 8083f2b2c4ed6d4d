"""The events of an agent, from real processes that behave well, badly, and not at all."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgecnn.devices.board import Event
from edgecnn.devices.events import Ended, agent_events, agent_failure, start_agent
from edgecnn.errors import ConnectionLost, DeviceFailed

BEGIN = """
import json, os, signal, subprocess, sys, time
def say(event, **fields):
    print(json.dumps({"event": event} | fields), flush=True)
"""


@contextlib.contextmanager
def agent(code: str, job: Mapping[str, Any] | None = None) -> Iterator[Iterator[Event]]:
    with agent_events(start_agent([sys.executable, "-c", BEGIN + code]), job) as events:
        yield events


def refusal(code: str) -> str:
    with pytest.raises(DeviceFailed) as caught, agent(code) as events:
        list(events)
    return str(caught.value)


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        if not is_alive(pid):
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} is still there")


def test_events_come_in_order_and_whole() -> None:
    with agent("say('progress', done=0.5); say('result', ms=[1, 2])") as events:
        assert list(events) == [
            {"event": "progress", "done": 0.5},
            {"event": "result", "ms": [1, 2]},
        ]


def test_an_event_is_heard_before_the_agent_ends() -> None:
    with agent("say('first'); sys.stdin.readline(); time.sleep(60)", {}) as events:
        assert next(events) == {"event": "first"}


@pytest.mark.parametrize(
    "line",
    [
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "",
        "[1, 2]",
        "7",
        '"event"',
        "null",
        "{",
        '{"done": 1}',
        '{"event": 7}',
        "[" * 100_000,
        "\\xff\\xfe\\x00",
    ],
    ids=lambda line: line[:12],
)
def test_what_is_no_event_is_passed_over(line: str) -> None:
    code = f"say('a'); sys.stdout.buffer.write(b{line!r} + b'\\n'); say('b')"
    with agent(code.replace("\\\\", "\\")) as events:
        assert [event["event"] for event in events] == ["a", "b"]


def test_the_agents_own_message_is_the_error() -> None:
    code = "print('a warning\\nedgecnn_runtime: no engine opens it', file=sys.stderr); sys.exit(1)"
    assert refusal(f"say('a'); {code}") == "no engine opens it"


def test_without_a_message_the_last_line_that_is_no_event_is_told() -> None:
    assert refusal("say('a'); print('Illegal option'); say('b'); sys.exit(3)") == "Illegal option"


def test_a_silent_failure_is_told_by_its_exit_code() -> None:
    assert "exit code 3 and printed nothing" in refusal("sys.exit(3)")


def test_an_agent_that_is_killed_is_told_with_the_likely_reason() -> None:
    said = refusal("print('loading', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)")
    assert said == "the agent died of SIGKILL (out of memory?); its last line: loading"


def test_bytes_that_are_no_text_do_not_hide_the_message() -> None:
    code = "sys.stderr.buffer.write(b'edgecnn_runtime: \\xff broken\\n'); sys.exit(1)"
    assert refusal(code) == "\ufffd broken"


def test_a_flood_on_stderr_does_not_stop_the_events() -> None:
    code = "sys.stderr.write('x' * 1_000_000 + '\\n' + 'y\\n' * 100_000); say('a')"
    with agent(code) as events:
        assert list(events) == [{"event": "a"}]


def test_the_job_is_the_first_line_on_stdin_and_the_next_is_a_heartbeat() -> None:
    code = """
say("job", job=json.loads(sys.stdin.readline()))
say(repr(sys.stdin.readline()))
"""
    with agent(code, {"rounds": 30, "name": "ü"}) as events:
        assert next(events) == {"event": "job", "job": {"rounds": 30, "name": "ü"}}
        assert next(events) == {"event": "'\\n'"}


def test_a_job_larger_than_a_pipe_reaches_an_agent_that_talks_first() -> None:
    code = "[say('x' * 1000) for _ in range(500)]; say(str(len(sys.stdin.readline())))"
    with agent(code, {"big": "x" * 1_000_000}) as events:
        assert list(events)[-1] == {"event": str(len('{"big": ""}') + 1_000_000 + 1)}


def test_leaving_ends_the_agent_and_what_it_started() -> None:
    code = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
say("pids", pids=[os.getpid(), child.pid])
time.sleep(600)
"""
    with agent(code) as events:
        pids = next(events)["pids"]
        assert all(map(is_alive, pids))
    for pid in pids:
        wait_until_gone(pid)


def test_leaving_by_an_error_of_ones_own_ends_it_too() -> None:
    told: list[Event] = []

    def listen() -> None:
        with agent("say('a', pid=os.getpid()); time.sleep(600)") as events:
            told.append(next(events))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        listen()
    wait_until_gone(told[0]["pid"])


def test_an_agent_that_will_not_stop_is_stopped() -> None:
    code = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say("a", pid=os.getpid())
while True:
    time.sleep(600)
"""
    with agent(code) as events:
        pid = next(events)["pid"]
    assert not is_alive(pid)


def test_what_a_dead_agent_left_behind_neither_lives_on_nor_blocks() -> None:
    code = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
say("child", pid=child.pid)
sys.stdout.flush()
os._exit(4)
"""
    with agent(code) as events:
        pid = next(events)["pid"]
        with pytest.raises(DeviceFailed, match="exit code 4"):
            next(events)
    wait_until_gone(pid)


def test_killing_the_agent_from_outside_is_a_failure_and_not_an_end() -> None:
    with agent("say('a', pid=os.getpid()); time.sleep(600)") as events:
        pid = next(events)["pid"]
        threading.Timer(0.1, os.kill, (pid, signal.SIGKILL)).start()
        with pytest.raises(DeviceFailed, match="died of SIGKILL"):
            next(events)


def test_the_transport_says_what_an_exit_code_means() -> None:
    seen: list[Ended] = []

    def failure(ended: Ended) -> DeviceFailed:
        seen.append(ended)
        return ConnectionLost("the link broke")

    code = "print('motd'); print('Connection reset', file=sys.stderr); sys.exit(255)"
    process = start_agent([sys.executable, "-c", BEGIN + code])
    with (
        pytest.raises(ConnectionLost, match="the link broke"),
        agent_events(process, failure=failure) as events,
    ):
        list(events)
    assert seen == [Ended(255, ("Connection reset",), ("motd",))]


def test_a_failure_nobody_iterated_for_is_none() -> None:
    with agent("sys.exit(1)"):
        pass


def test_a_program_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(DeviceFailed, match="cannot run /no/such/python: No such file"):
        start_agent(["/no/such/python"])


def test_an_unknown_signal_is_told_by_its_number() -> None:
    assert str(agent_failure(Ended(-64, (), ()))) == "the agent died of SIGRTMAX"
    assert str(agent_failure(Ended(-50, (), ()))) == "the agent died of signal 50"
