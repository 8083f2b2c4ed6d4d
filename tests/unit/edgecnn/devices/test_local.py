"""This machine as a board: its interpreters, and agents that run in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edgecnn.devices.local import LocalBoard, agent_file, this_machine
from edgecnn.errors import DeviceFailed

# An interpreter that finds none of the engines that are installed, and one that finds one of its
# own: no more than a script around this one.
WITHOUT = """#!/bin/sh
exec {python} -c '
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Absent())
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
' "$@"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def interpreter(path: Path, *absent: str) -> str:
    path.write_text(WITHOUT.format(python=sys.executable, absent=repr(absent).replace("'", '"')))
    path.chmod(0o755)
    return str(path)


def test_this_machine_is_asked_as_any_board_is() -> None:
    facts = this_machine().facts()
    assert facts.kernel == os.uname().machine
    assert facts.cores == os.cpu_count()
    assert any(python.version == sys.version_info[:3] for python in facts.pythons)


def test_what_is_offered_is_what_each_interpreter_has(tmp_path: Path) -> None:
    own = interpreter(tmp_path / "python", "onnxruntime", "openvino", "edgecnn_native")
    offer = LocalBoard("host", {"host": None, "own": own}).offer()
    assert set(offer.environments["host"]) >= {"onnxruntime", "ai-edge-litert"}
    assert set(offer.environments["own"]) == {"ai-edge-litert"}
    assert offer.environments["own"]["ai-edge-litert"][0].isdigit()
    assert "onnxruntime" not in offer.refused


def test_an_engine_that_no_interpreter_has_is_refused_with_the_command(tmp_path: Path) -> None:
    absent = ("ai_edge_litert", "tflite_runtime", "openvino", "edgecnn_native")
    own = interpreter(tmp_path / "python", *absent)
    offer = LocalBoard("own", {"own": own}).offer()
    assert set(offer.environments["own"]) == {"onnxruntime"}
    refused = offer.refused["ai-edge-litert"]
    assert refused.startswith("not installed; ")
    assert refused.endswith("pip install 'edgecnn[litert]'")
    assert "openvino" in offer.refused


def test_an_interpreter_without_edgecnn_gets_the_agent_as_a_file(cache: Path) -> None:
    board = LocalBoard("host", {"host": None, "own": sys.executable})
    environments = board.prepare()
    assert environments["host"].command == (sys.executable, "-m", "edgecnn_runtime")
    python, agent = environments["own"].command
    assert python == sys.executable
    assert Path(agent).parent == cache / "agent"
    assert Path(agent).suffix == ".pyz"
    for name in environments:
        with board.agent(name, ["host"]) as events:
            assert [event["event"] for event in events] == ["host"]


def test_the_agents_file_is_made_whole_and_once(cache: Path) -> None:
    assert agent_file() == agent_file()
    assert len(list((cache / "agent").iterdir())) == 1


def test_bundles_lie_where_they_lie(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    sent = this_machine().send([Path(bundle.name), bundle])
    assert sent == {Path(bundle.name): str(bundle), bundle: str(bundle)}


def test_the_agent_runs_a_bundle_and_its_refusal_is_the_error(bundle: Path) -> None:
    board = this_machine()
    arguments = ["verify", str(bundle), "--engine", "fake"]
    with board.agent("host", arguments) as events:
        assert [event["verdict"] for event in events] == ["equal"]
    with (
        board.agent("host", [*arguments, "--artefact", "no.onnx"]) as events,
        pytest.raises(DeviceFailed, match="has no such artefact; it has model"),
    ):
        list(events)


def test_an_interpreter_that_is_not_there_is_named_with_its_device() -> None:
    board = LocalBoard("own", {"own": "/no/such/python"})
    with pytest.raises(DeviceFailed, match="own: cannot run /no/such/python: No such file"):
        board.offer()


def test_an_interpreter_without_numpy_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    board = LocalBoard("own", {"own": interpreter(tmp_path / "python", "numpy")})
    with pytest.raises(DeviceFailed, match=r"own: .*No module named numpy"):
        board.offer()


def test_a_program_that_is_no_python_is_named_with_what_it_said(tmp_path: Path) -> None:
    board = LocalBoard("own", {"own": "/bin/echo"})
    with pytest.raises(DeviceFailed, match="own: the agent did not report this machine"):
        board.offer()
    board = LocalBoard("own", {"own": "/bin/false"})
    with pytest.raises(DeviceFailed, match=r"own: .*exit code 1"):
        board.offer()


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "file"))
    with pytest.raises(DeviceFailed, match="EDGECNN_CACHE names another folder"):
        LocalBoard("own", {"own": sys.executable}).prepare()


def test_closing_twice_is_allowed() -> None:
    board = this_machine()
    board.close()
    board.close()
