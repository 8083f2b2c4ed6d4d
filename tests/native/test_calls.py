"""Calls of the C API with what no caller should pass: threads, memory, pointers, files."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgecnn_native
from edgecnn_native.library import LIBRARY
from native.binding import (
    BUSY,
    FILE,
    INPUT,
    MEMORY,
    OK,
    OPTION,
    PLAN,
    Error,
    Layer,
    Library,
    Model,
    Options,
    Refused,
    Tensor,
    at_64,
    pointers,
)
from native.cases import Case, bottlenecks, lenet
from native.damage import change, sections


@pytest.fixture(scope="module")
def case() -> Case:
    return lenet()


@pytest.fixture
def model(library: Library, case: Case) -> Iterator[Model]:
    with Model(library, case.plan) as opened:
        yield opened


@pytest.mark.parametrize("threads", [-1, 65, 1000, 2**31 - 1])
def test_a_number_of_threads_that_no_machine_has_is_refused(
    library: Library, case: Case, threads: int
) -> None:
    with pytest.raises(Refused, match=f"{threads} threads, expected 1 to 64") as refused:
        Model(library, case.plan, threads=threads)
    assert refused.value.code == OPTION


def test_no_threads_is_one_and_64_are_enough(library: Library, case: Case) -> None:
    for threads in (0, 64):
        with Model(library, case.plan, threads=threads) as model:
            np.testing.assert_array_equal(model.run(case.inputs)[0], case.outputs[0])


def test_kernels_of_another_processor_are_refused(library: Library, case: Case) -> None:
    with pytest.raises(Refused, match="kernels 'sse9' are not in this library") as refused:
        Model(library, case.plan, "sse9")
    assert refused.value.code == OPTION


def test_memory_of_the_caller_is_as_large_as_asked_for(library: Library, case: Case) -> None:
    plan = at_64(len(case.plan))
    plan[:] = np.frombuffer(case.plan, np.uint8)
    for threads in (1, 3):
        size = library.memory_size(plan.ctypes.data, len(plan), Options(threads), None)
        # What lies behind it stays as it was.
        room = at_64(size + 64)
        room[:] = 171
        with Model(library, case.plan, threads=threads, memory=room[:size]) as model:
            np.testing.assert_array_equal(model.run(case.inputs)[0], case.outputs[0])
        assert (room[size:] == 171).all()
        for wrong in (at_64(size - 1), at_64(size, offset=8), at_64(1)):
            with pytest.raises(Refused, match=f"{size} bytes of memory, 64-byte") as refused:
                Model(library, case.plan, threads=threads, memory=wrong)
            assert refused.value.code == MEMORY


def test_a_plan_must_lie_at_64_bytes(library: Library, case: Case) -> None:
    plan = at_64(len(case.plan), offset=4)
    plan[:] = np.frombuffer(case.plan, np.uint8)
    error = Error()
    assert library.open_memory(plan.ctypes.data, len(plan), None, error) is None
    assert b"not 64-byte aligned" in error.text


def test_null_pointers_are_answered(library: Library, model: Model, case: Case) -> None:
    error = Error()
    assert library.open_memory(None, 100, None, error) is None
    assert error.code == PLAN
    assert library.open_memory(None, 100, None, None) is None
    assert library.memory_size(None, 100, None, None) == 0
    assert library.open_file(None, None, error) is None
    assert error.code == FILE
    library.close(None)
    assert library.input(None, 0, Tensor()) == library.output(None, 0, Tensor()) == 0
    assert library.input(model.address, 0, None) == library.input(model.address, -1, Tensor()) == 0
    assert library.chosen_kernels(None) is None
    assert library.kernels(-1) is library.kernels(1000) is None
    inputs, outputs = pointers(case.inputs), pointers(model.empty_outputs(1))
    nothing = (ctypes.c_void_p * 1)(None)
    for arguments in (
        (None, 1, inputs, outputs),
        (model.address, 1, None, outputs),
        (model.address, 1, inputs, None),
        (model.address, 1, nothing, outputs),
        (model.address, 1, inputs, nothing),
        (model.address, 0, inputs, outputs),
        (model.address, -(2**31), inputs, outputs),
    ):
        assert library.run(*arguments, None) == INPUT
    assert library.profile(None, inputs, outputs, None, 0, error) < 0
    assert library.profile(model.address, inputs, outputs, None, 1, error) < 0
    assert library.profile(model.address, inputs, outputs, None, -1, error) < 0
    assert library.profile(model.address, inputs, outputs, None, 0, error) == 7


def test_a_profile_gives_as_many_layers_as_there_is_room_for(
    library: Library, model: Model, case: Case
) -> None:
    layers = (Layer * 5)()
    outputs = model.empty_outputs(1)
    count = library.profile(
        model.address, pointers(case.inputs), pointers(outputs), layers, 4, None
    )
    assert count == 7
    assert [layer.kind for layer in layers[:3]] == [b"quantise", b"convolution", b"max pool"]
    assert layers[1].multiplications == 28 * 28 * 6 * 25
    assert layers[4].name is None
    np.testing.assert_array_equal(outputs[0], case.outputs[0])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_used_by_several_threads_is_busy_or_right(library: Library, threads: int) -> None:
    *_, case = bottlenecks(8, batch=4)
    answers: list[int] = []
    wrong: list[str] = []

    def run(number: int) -> None:
        outputs, layers = model.empty_outputs(4), (Layer * 16)()
        arguments = (pointers(case.inputs), pointers(outputs))
        for _ in range(40):
            if number % 2:
                count = library.profile(model.address, *arguments, layers, 16, error := Error())
                code, batch = error.code if count < 0 else OK, 1
            else:
                code, batch = library.run(model.address, 4, *arguments, None), 4
            answers.append(code)
            same = np.array_equal(outputs[0][:batch], case.outputs[0][:batch])
            if code == OK and not same:
                wrong.append(f"thread {number}")

    with Model(library, case.plan, threads=threads) as model:
        users = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for user in users:
            user.start()
        for user in users:
            user.join()
    assert not wrong
    assert set(answers) <= {OK, BUSY}
    assert OK in answers


def file_refusal(library: Library, path: Path | str) -> tuple[int, str]:
    """The code and text for a file that does not open."""
    error = Error()
    assert library.open_file(os.fsencode(path), None, error) is None
    return error.code, error.text.decode()


def test_a_file_opens_as_its_bytes_do(library: Library, case: Case, tmp_path: Path) -> None:
    path = tmp_path / "lenet.plan"
    path.write_bytes(case.plan)
    address = library.open_file(os.fsencode(path), None, None)
    outputs = [np.zeros((1, 10, 1, 1), np.float32)]
    assert library.run(address, 1, pointers(case.inputs), pointers(outputs), None) == OK
    library.close(address)
    np.testing.assert_array_equal(outputs[0], case.outputs[0])


def test_what_is_no_regular_file_is_refused_at_once(library: Library, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    missing = tmp_path / ("long" * 50)
    for path in (missing, tmp_path, tmp_path / "fifo", "/dev/zero", "/dev/stdin", "", "\n"):
        code, text = file_refusal(library, path)
        assert code == FILE
        assert text.startswith("cannot read '")
    assert file_refusal(library, tmp_path)[1].endswith("': it is no regular file")
    assert file_refusal(library, tmp_path / "none")[1].endswith("': No such file or directory")


def test_a_file_is_refused_by_its_first_bytes_whatever_its_size(
    library: Library, case: Case, tmp_path: Path
) -> None:
    path = tmp_path / "plan"
    for content in (b"", b"EDGEPLAN", b"\0" * 100):
        path.write_bytes(content)
        assert "is not a plan" in file_refusal(library, path)[1]
    path.write_bytes(case.plan)
    os.truncate(path, 2**40)  # sparse: no disk is used
    assert "is not a plan" in file_refusal(library, path)[1]
    path.write_bytes(case.plan[:-64])
    assert file_refusal(library, path) == (
        PLAN, "the plan is damaged: its size is not that of the file"
    )  # fmt: skip


SMALL_MEMORY = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from native.binding import Library, Model, Refused
library = Library(Path(sys.argv[2]))
plan = Path(sys.argv[3]).read_bytes()
used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
try:
    Model(library, plan, threads=int(sys.argv[4]))
except Refused as error:
    print(error.code, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_model_that_does_not_fit_is_out_of_memory(
    library: Library, case: Case, tmp_path: Path
) -> None:
    path = tmp_path / "large.plan"
    for fields, threads, words in (
        ({"arena": 2**32}, 1, "out of memory: "),
        ({"scratch": 2**32}, 64, "out of memory: "),
        ({}, 64, "64 threads cannot be started"),
    ):
        path.write_bytes(change(case.plan, "header", 0, **fields))
        command = [sys.executable, "-c", SMALL_MEMORY, Path(__file__).parents[1], library.path]
        ran = subprocess.run(
            [*command, path, str(threads)], capture_output=True, text=True, check=True, timeout=60
        )
        assert ran.stdout.startswith(f"{MEMORY} {words}"), ran.stdout


def test_memory_that_a_header_asks_for_is_known_before_it_is_taken(
    library: Library, case: Case
) -> None:
    plan = at_64(len(case.plan))
    plan[:] = np.frombuffer(change(case.plan, "header", 0, scratch=2**32), np.uint8)
    size = library.memory_size(plan.ctypes.data, len(plan), Options(64), None)
    assert size > 64 * 2**32


def test_names_that_are_no_utf_8_are_told_in_escapes(library: Library, case: Case) -> None:
    if library.path != LIBRARY:
        pytest.skip("edgecnn_native is not compiled in this clone")
    plan = bytearray(case.plan)
    plan[sections(case.plan).names] = 0xFF
    model = edgecnn_native.Model(bytes(plan))
    assert model.inputs[0].name == r"\xff0"
    _, layers = model.profile([each[:1] for each in case.inputs])
    assert layers[-1].name.startswith("t")
    model.close()


FORKED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from native.binding import Library, Model
from native.cases import lenet
case = lenet()
model = Model(Library(Path(sys.argv[2])), case.plan, threads=3)
model.run(case.inputs)
if os.fork() == 0:
    case.check(0, model.run(case.inputs)[0], "fork")
    model.close()
    os._exit(0)
print(os.wait()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_process_that_was_forked_runs_and_closes_a_model_without_its_threads(
    library: Library,
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, Path(__file__).parents[1]]
    ran = subprocess.run(
        [*command, library.path], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "0\n", ran.stderr
