"""The static agent: outputs on emulated ARM processors; its loop and its ends on this one."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from planned import agent_for_this_machine

from edgecnn.devices.native_sources import zig_version
from edgecnn.devices.static_agent import agent_program
from edgecnn_runtime.measure.rounds import round_order
from native.cases import Case, lenet

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("static agent")]

# Emulator, processor, machine of the program, kernels that the library chooses there.
MACHINES = {
    "cortex-a72": ("qemu-aarch64", "aarch64", "neon"),
    "cortex-a76": ("qemu-aarch64", "aarch64", "dotprod"),
    "cortex-a7": ("qemu-arm", "armv7l", "neon"),
}
JOB = ('"me"', "0", "0.05", "8", "1", "40", "-1", "0")


@dataclass(frozen=True)
class Files:
    """A case of the kernels' tests, as files of a board."""

    case: Case
    plan: Path
    inputs: Path

    def words(self, threads: int = 1) -> list[str]:
        return [str(self.plan), str(self.inputs), str(len(self.case.inputs[0])), str(threads)]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("agent")
    made = Files(lenet(), folder / "0.plan", folder / "0.inputs")
    made.plan.write_bytes(made.case.plan)
    made.inputs.write_bytes(b"".join(array.tobytes() for array in made.case.inputs))
    return made


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return agent_for_this_machine(tmp_path_factory)


@dataclass(frozen=True)
class Agent:
    """The program, with a folder of its own for temporary files."""

    program: Path
    folder: Path

    @contextlib.contextmanager
    def started(self, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [str(self.program), "0", "60", *words],
            env={"TMPDIR": str(self.folder)},
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def refusal(self, words: Sequence[str]) -> str:
        with self.started(words) as process:
            assert process.stderr is not None
            said = process.stderr.read()  # its input stays open: it ends with that
            assert process.wait(60) == 1
        return said


@pytest.fixture
def agent(program: Path, tmp_path: Path) -> Agent:
    return Agent(program, tmp_path)


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


@pytest.mark.parametrize("processor", MACHINES)
def test_outputs_are_those_of_the_formulas(processor: str, files: Files) -> None:
    emulator, machine, _ = MACHINES[processor]
    if (found := shutil.which(emulator)) is None:
        pytest.skip("no emulator: apt-get install --no-install-recommends qemu-user")
    if zig_version() is None:
        pytest.skip("no compiler for ARM: pip install ziglang")
    command = [found, "-cpu", processor, agent_program(machine), "0", "60", "prove"]
    words = [*command, *files.words(), "0"]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    *chunks, proved = map(json.loads, ran.stdout.splitlines())
    assert proved["kernels"] == MACHINES[processor][2]
    content = b"".join(base64.b64decode(one["base64"]) for one in chunks)
    assert content == b"".join(array.tobytes() for array in files.case.outputs)
    # So many images that their bytes, counted in 32 bits, are 0.
    many = ",".join(["65536"] * 1024)
    words = [*command, str(files.plan), os.devnull, many, "1", "0"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "has 0 bytes, fewer than" in ran.stderr


def test_rows_are_warmed_up_timed_in_turn_and_started_cold(files: Files, agent: Agent) -> None:
    words = ["bench", *JOB, *files.words(), "1", "0", *files.words(2), "2", "1"]
    with agent.started(words) as process:
        printed = list(events(process))
        assert process.wait(60) == 0
    kinds = [one["event"] for one in printed if one["event"] not in ("round", "progress")]
    assert kinds == ["warm-up", "warm-up", "before", "after", "cold", "cold"]
    rounds = [one for one in printed if one["event"] == "round"]
    for number, one in enumerate(rounds):
        assert one["number"] == number
        assert [block["row"] for block in one["blocks"]] == round_order(number, 2)
        assert all(sample > 0 for block in one["blocks"] for sample in block["samples_ms"])
    assert len(rounds) == 8
    cold = [one for one in printed if one["event"] == "cold"]
    assert [one["row"] for one in cold] == [0, 1]
    before = next(one for one in printed if one["event"] == "before")
    assert before["machine"]["name"] == os.uname().machine
    assert before["machine"]["files"]["proc/stat"].startswith("cpu ")
    assert printed[-1] == {"event": "progress", "done": 1}


def test_a_row_that_dies_ends_alone_and_a_second_bench_waits(files: Files, agent: Agent) -> None:
    job = [*JOB[:6], "60", "0"]
    words = ["bench", *job, *files.words(), "0", "0", *files.words(), "0", "0"]
    with agent.started(words) as process:
        printed = events(process)
        next(one for one in printed if one["event"] == "round")
        assert '"who": "me"' in agent.refusal(words)
        victim = _children(process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        died = next(one for one in printed if one["event"] == "died")
        assert died["signal"] == signal.SIGKILL
        after = next(one for one in printed if one["event"] == "round")
        assert [block["row"] for block in after["blocks"]] == [1 - died["row"]]
        # The workstation is gone: all that it started ends.
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 1
    assert not _children(process.pid)


def _children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(folder.name))
    return sorted(found)


def test_a_kept_folder_goes_with_the_workstation_and_an_abandoned_one_before(
    agent: Agent,
) -> None:
    abandoned, kept = agent.folder / "runs/old", agent.folder / "runs/new"
    (abandoned / "1").mkdir(parents=True)
    (abandoned / ".kept").touch()
    with agent.started(["keep", str(kept)]) as process:
        assert next(events(process)) == {"event": "kept"}
        assert not abandoned.exists()
        (kept / "1").mkdir()
        (kept / "1/0.plan").touch()
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
    assert not kept.exists()


def test_bad_input_is_refused_in_words(files: Files, agent: Agent, tmp_path: Path) -> None:
    cut, short = tmp_path / "cut.plan", tmp_path / "short"
    cut.write_bytes(files.case.plan[:-1])
    short.write_bytes(b"1234")
    plan, inputs, batches, threads = files.words()
    for words, expected in (
        (["prove", str(cut), inputs, batches, threads, "0"], "native refuses the model: "),
        (["prove", plan, str(short), batches, threads, "0"], "has 4 bytes"),
        (["prove", plan, str(tmp_path / "none"), batches, threads, "0"], "cannot read"),
        (["prove", plan, inputs, "0", threads, "0"], "0 is no number from 1"),
        (["prove", plan, inputs, batches, "0", "0"], "0 is no number from 1"),
        (["bench", *JOB, plan], "bench has 9 words"),
        (["describe"], "no command describe with 0 words"),
    ):
        said = agent.refusal(words)
        assert said.startswith("edgecnn_runtime: ")
        assert expected in said


def test_a_name_of_any_length_holds_the_machine(files: Files, agent: Agent) -> None:
    _, *job = JOB
    words = ["bench", f'"{"x" * 9000}"', *job, "none", str(files.inputs), "1", "1", "0", "0"]
    with agent.started(words) as process:
        assert process.wait(30) == 0
    assert (agent.folder / "edgecnn-bench.lock").read_text() == ('{"who": "' + "x" * 9000)[:4095]


def test_memory_is_limited(files: Files, program: Path) -> None:
    words = [str(program), "3000000", "60", "prove", *files.words(), "0"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "native refuses the model: " in ran.stderr  # as where a file cannot be opened
