"""Devices on the command line: listed, added, removed, shown and examined."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.conftest import Run

WITHOUT_ENGINES = """#!/bin/sh
exec {python} -c '
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        engines = "onnxruntime", "openvino", "ai_edge_litert", "tflite_runtime", "edgecnn_native"
        if name.partition(".")[0] in engines:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Absent())
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
' "$@"
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config/devices.toml"


def document(ran: subprocess.CompletedProcess[str], schema: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(ran.stdout)
    assert found["schema"] == schema
    return found


def refusal(ran: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The last line on stderr, of a run that was refused with `code`."""
    assert ran.returncode == code, ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    lines = ran.stderr.strip().splitlines()
    if code == 1:
        assert len(lines) == 1, ran.stderr
    return lines[-1]


def test_without_boards_the_list_says_how_to_add_one(edgecnn: Run) -> None:
    ran = edgecnn("devices", "--no-probe")
    assert ran.returncode == 0
    assert "rpi4-emulated" in ran.stdout
    assert "edgecnn devices add rpi pi@raspberrypi.local" in ran.stdout


def test_a_board_is_added_listed_and_removed(edgecnn: Run, config: Path) -> None:
    command = ("devices", "add", "desk", "pi@desk.invalid", "--no-check", "--profile", "rpi4")
    ran = edgecnn(*command, "--port", "2222")
    assert ran.returncode == 0, ran.stderr
    assert "next: edgecnn doctor --device desk" in ran.stdout
    listed = document(edgecnn("devices", "--no-probe", "--json"), "edgecnn.devices/1")
    assert listed["file"] == str(config)
    row = next(row for row in listed["devices"] if row["name"] == "desk")  # type: ignore[attr-defined]
    assert (row["where"], row["profile"]) == ("pi@desk.invalid, port 2222", "rpi4")
    assert row["is_there"] is None
    assert "desk' is configured already" in refusal(edgecnn(*command))
    assert edgecnn("devices", "remove", "desk").returncode == 0
    assert "no device is configured as 'desk'" in refusal(edgecnn("devices", "remove", "desk"))


def test_an_interpreter_here_is_added_when_it_works(edgecnn: Run, config: Path) -> None:
    ran = edgecnn("devices", "add", "own", "--python", sys.executable, "--json")
    added = document(ran, "edgecnn.devices-add/1")
    assert "onnxruntime" in str(added["said"])
    line = refusal(edgecnn("devices", "add", "other", "--python", "no/python"))
    assert "cannot run" in line
    assert "Nothing was stored" in line
    assert "other" not in config.read_text()


def test_an_interpreter_is_examined_as_a_board_is(edgecnn: Run, tmp_path: Path) -> None:
    edgecnn("devices", "add", "own", "--python", sys.executable, "--no-check")
    ran = edgecnn("doctor", "--device", "own", "--json")
    assert ran.returncode == 0, ran.stderr
    found = document(ran, "edgecnn.doctor/1")
    assert found["device"] == "own"
    checks = {check["what"]: check for check in found["checks"]}  # type: ignore[attr-defined]
    assert checks["engine onnxruntime"]["ok"]
    assert {"userland", "libc", "Python", "processor"} <= set(checks)
    table = edgecnn("doctor", "--device", "own").stdout
    assert "engine onnxruntime" in table


def test_a_device_without_any_engine_is_exit_code_1(edgecnn: Run, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(WITHOUT_ENGINES.format(python=sys.executable))
    python.chmod(0o755)
    ran = edgecnn("devices", "add", "bare", "--python", python)
    assert ran.returncode == 0
    assert "-m pip install onnxruntime" in ran.stderr
    ran = edgecnn("doctor", "--device", "bare")
    assert ran.returncode == 1
    assert "no engine can run there" in ran.stdout
    found = document(edgecnn("doctor", "--device", "bare", "--json"), "edgecnn.doctor/1")
    shown = [check["found"] for check in found["checks"]]  # type: ignore[attr-defined]
    assert any(each.endswith("pip install 'edgecnn[onnxruntime]'") for each in shown)


def test_a_profile_is_shown_with_its_sources(edgecnn: Run) -> None:
    ran = edgecnn("devices", "show", "rpi4")
    assert "4 × Cortex-A72" in ran.stdout
    assert "Raspberry Pi documentation" in ran.stdout
    found = document(edgecnn("devices", "show", "rpi4-emulated", "--json"), "edgecnn.profile/1")
    assert found["name"] == "rpi4"
    assert "did you mean rpi" in refusal(edgecnn("devices", "show", "rpy4"))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("add", "my board", "pi@h"), "a device cannot be called 'my board'"),
        (("add", "host", "pi@h"), "means this machine"),
        (("add", "x", "pi@h;reboot"), "is not a target for ssh"),
        (("add", "--", "x", "-oProxyCommand=touch x"), "is not a target for ssh"),
        (("add", "x", "pi@h:2222"), "--port 2222"),
        (("add", "x", "pi@h", "--profile", "rpi44"), "did you mean rpi4"),
        (("add", "x", "pi@h", "--python", "-c"), "is not an interpreter of a board"),
        (("show", "zzz"), "no profile is called 'zzz'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_reached(
    edgecnn: Run, config: Path, typed: tuple[str, ...], said: str
) -> None:
    assert said in refusal(edgecnn("devices", *typed))
    assert not config.exists()


@pytest.mark.parametrize(
    "typed",
    [
        ("add", "x"),
        ("add",),
        ("add", "x", "pi@h", "--port", "0"),
        ("add", "x", "--python", "p", "--port", "3"),
        ("frobnicate",),
    ],
)
def test_what_is_typed_wrongly_is_exit_code_2(edgecnn: Run, typed: tuple[str, ...]) -> None:
    refusal(edgecnn("devices", *typed), 2)


@pytest.mark.parametrize("command", [("devices",), ("doctor", "--device", "rpi")])
def test_a_broken_file_is_named_with_the_line(
    edgecnn: Run, config: Path, command: tuple[str, ...]
) -> None:
    config.parent.mkdir()
    config.write_text("[rpi]\nssh = pi@h")
    line = refusal(edgecnn(*command))
    assert str(config) in line
    assert "line 2" in line
    assert edgecnn("doctor", "--json").returncode == 0


def test_an_unknown_device_is_answered_with_what_to_type(edgecnn: Run, tiny_bundle: Path) -> None:
    for command in (("doctor",), ("bench", tiny_bundle)):
        line = refusal(edgecnn(*command, "--device", "rpi"))
        assert "edgecnn devices add rpi pi@raspberrypi.local" in line


def test_doctor_examines_one_device_at_a_time(edgecnn: Run, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(
        f'[a]\nssh = "pi@a.invalid"\n[b]\npython = "{sys.executable}"'
    )
    assert "holds several devices: a, b" in refusal(edgecnn("doctor", "--device", "two.toml"), 2)
