"""Android devices: a real adb client, and a daemon that speaks its protocol on this machine.

No phone is here: Android itself, its kernel's limits and its USB are not what these tests are of.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from board.sshd import free_port
from planned import agent_for_this_machine, planned_bundle
from unit.edgecnn.devices.adb.daemon import Daemon

from edgecnn.devices.adb import AdbBoard, connection
from edgecnn.devices.find import find_boards
from edgecnn.errors import DeviceConfigInvalid, DeviceFailed, DeviceUnreachable, DeviceUnsuitable
from edgecnn.results.bench import LatencyResult
from edgecnn.results.bench_profile import ProfilingResult
from edgecnn.results.benching import BenchOptions, bench_bundle


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return agent_for_this_machine(tmp_path_factory)


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_bundle(tmp_path_factory)


@pytest.fixture(scope="session")
def server() -> Iterator[dict[str, str]]:
    """Variables of an adb server of these tests alone."""
    if shutil.which("adb") is None:
        pytest.skip("adb is not installed; apt-get install --no-install-recommends adb")
    variables = {"ANDROID_ADB_SERVER_PORT": str(free_port())}
    yield variables
    subprocess.run(["adb", "kill-server"], env=os.environ | variables, check=False)


@pytest.fixture
def phone(
    server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Daemon]:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "data"
    folder.mkdir()
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "getprop").write_text('#!/bin/sh\n[ $1 = ro.product.model ] && echo "Phone 1"\n')
    (tools / "getprop").chmod(0o755)
    monkeypatch.setattr("edgecnn.devices.adb.board.FOLDER", str(folder))
    daemon = Daemon({"PATH": f"{tools}:{os.environ['PATH']}"})
    adb("connect", daemon.serial)
    yield daemon
    adb("disconnect", daemon.serial)
    daemon.close()


def adb(*words: str) -> None:
    subprocess.run(["adb", *words], check=True, capture_output=True)


def test_a_plan_is_measured_and_profiled_and_nothing_is_left(
    phone: Daemon, program: Path, planned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecnn.devices.adb.board.agent_program", lambda machine: program)
    name = f"adb:{phone.serial}"
    options = BenchOptions((name,), rounds=8, cold_starts=1, threads=(1,))
    result = bench_bundle(str(planned), options)
    assert isinstance(result, LatencyResult)
    assert not result.failures, result.failures
    rows = {row.subject.artefact: row for row in result.devices[name].rows}
    row = rows["model.int8.plan"]
    assert row.verdict == "equal"
    assert row.note.endswith("identical to this machine's, bit by bit")
    assert row.latency is not None
    assert row.rounds == tuple(range(8))
    assert row.cold is not None
    assert "Android device is measured by the static agent" in rows["model.onnx"].note
    (sent,) = (tmp_path / "data/edgecnn").glob("edgecnn-agent-*")
    result = bench_bundle(str(planned), BenchOptions((name,), profiles=True, engines=("native",)))
    assert isinstance(result, ProfilingResult)
    assert [row.stages[0].kind for row in result.devices[0].rows] == ["quantise"]
    assert not any((tmp_path / "data/edgecnn/runs").iterdir())
    assert sent.exists()


def test_facts_are_those_of_the_device(phone: Daemon) -> None:
    (board,) = find_boards([f"adb:{phone.serial}"])
    try:
        facts = board.facts()
    finally:
        board.close()
    assert (facts.model, facts.machine, facts.pythons) == ("Phone 1", os.uname().machine, ())


def test_a_bundle_without_a_plan_is_refused(phone: Daemon) -> None:
    board = AdbBoard("phone", phone.serial)
    with pytest.raises(DeviceUnsuitable, match=r"edgecnn export --target native"):
        board.prepare({"onnxruntime"})


def test_a_full_disk_and_a_failing_command_are_told(phone: Daemon, tmp_path: Path) -> None:
    device = connection.Adb("phone", phone.serial)
    with pytest.raises(DeviceFailed, match=r"phone: .*couldn't create file"):
        device.push(Path(__file__), str(tmp_path / "none/file"))
    with pytest.raises(DeviceFailed, match="phone: no such thing"):
        device.run("echo no such thing >&2; exit 3")


def test_a_device_that_is_gone_and_a_wrong_serial_are_told(phone: Daemon) -> None:
    board = AdbBoard("phone", "R5CT1234")
    with pytest.raises(DeviceUnreachable, match=f"'R5CT1234'; it has adb:{phone.serial}"):
        board.facts()
    device = connection.Adb("phone", phone.serial)
    assert device.run("echo here").strip() == "here"
    adb("disconnect", phone.serial)
    with pytest.raises(DeviceFailed, match="the connection to phone broke"):
        device.run("true")
    adb("connect", phone.serial)


@pytest.mark.parametrize(
    ("listing", "serial", "says"),
    [
        ("", "", "adb sees no device: plug it in, turn on USB debugging"),
        ("R5\tunauthorized", "", "R5 is unauthorized: it does not trust this computer"),
        ("R5\toffline", "R5", "R5 is offline: it does not answer adb"),
        ("R5\tno permissions (user in plugdev group); see [http]", "", "udev has no rule for it"),
        ("R5\tdevice\nemulator-5554\tdevice", "", "name one: adb:R5 .device., adb:emulator-5554"),
    ],
)
def test_each_state_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: str, serial: str, says: str
) -> None:
    # As adb prints it of hardware that is not here.
    program = tmp_path / "adb"
    program.write_text(f"#!/bin/sh\nprintf 'List of devices attached\\n{listing}\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv(connection.COMMAND_VARIABLE, str(program))
    with pytest.raises(DeviceUnreachable, match=says):
        AdbBoard("adb", serial).facts()


def test_without_adb_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(connection.COMMAND_VARIABLE, "/none/adb")
    with pytest.raises(DeviceUnreachable, match="/none/adb is not installed; apt-get install adb"):
        AdbBoard("adb").facts()


def test_what_is_no_serial_number_is_refused() -> None:
    with pytest.raises(DeviceConfigInvalid, match="no serial number of an Android device"):
        find_boards(["adb:-x; rm"])
