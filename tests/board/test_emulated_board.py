"""The emulated board is one: its own processor, users, processes, disk and power."""

from __future__ import annotations

import subprocess

import pytest
from board.arm64 import Board
from board.faults import linked, wait_until

from edgecnn.devices.probe import PROBE_SCRIPT, read_probe

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("board")]


def answer(board: Board, command: str) -> str:
    ran = board.ssh(command)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_session_is_on_an_arm_board_of_its_own_user(pi5: Board) -> None:
    said = answer(
        pi5, "uname -n -m; id -un; pwd; python3 -c 'import platform as p; print(p.machine())'"
    )
    assert said.split() == ["rpi5", "aarch64", "pi", "/home/pi", "aarch64"]
    ran = pi5.ssh("exit 7")
    assert ran.returncode == 7


def test_it_says_which_board_it_is(pi5: Board, new_pi4: Board) -> None:
    newer = read_probe(answer(pi5, PROBE_SCRIPT)).facts
    older = read_probe(answer(new_pi4, PROBE_SCRIPT)).facts
    assert (newer.model, newer.cpu) == ("Raspberry Pi 5 Model B Rev 1.0", "Cortex-A76")
    assert (older.model, older.cpu) == ("Raspberry Pi 4 Model B Rev 1.4", "Cortex-A72")
    assert "asimddp" in newer.features
    assert "asimddp" not in older.features
    assert newer.memory_bytes == 3884000 * 1024
    assert [one.version[:2] for one in newer.pythons] == [(3, 11)]


def test_what_its_user_may_not_write_stays_as_it_is(pi5: Board) -> None:
    assert pi5.ssh("touch /etc/hostname").returncode != 0
    answer(pi5, "echo mine > note; cat note")
    assert (pi5.home / "note").read_text() == "mine\n"
    assert "/home/pi/note" in pi5.files()


def test_what_a_session_leaves_behind_is_seen_until_the_power_is_cut(new_pi4: Board) -> None:
    boot = answer(new_pi4, "cat /proc/sys/kernel/random/boot_id")
    answer(new_pi4, "echo kept > note; sleep 1000 > /dev/null 2>&1 &")

    def only_it_runs() -> bool:
        return [one.command.split()[-2:] for one in new_pi4.processes()] == [["/bin/sleep", "1000"]]

    wait_until(only_it_runs, 10, "the session's shell becomes what it leaves behind")
    new_pi4.cut_power()
    assert new_pi4.processes() == []
    assert new_pi4.ssh("true").returncode == 255
    new_pi4.boot()
    assert answer(new_pi4, "cat note") == "kept\n"
    assert answer(new_pi4, "cat /proc/sys/kernel/random/boot_id") != boot


def test_its_disk_can_be_full_and_have_room_again(new_pi4: Board) -> None:
    new_pi4.limit_disk(100_000)
    write = "head -c 1000000 /dev/zero > big"
    ran = new_pi4.ssh(write)
    assert "No space left on device" in ran.stderr
    new_pi4.limit_disk(None)
    answer(new_pi4, write)


def test_one_board_has_none_of_anothers_files_and_processes(pi5: Board, new_pi4: Board) -> None:
    answer(new_pi4, "touch only-here; sleep 1000 > /dev/null 2>&1 &")
    assert "/home/pi/only-here" not in pi5.files()
    assert pi5.processes() == []


def test_a_session_ends_with_its_link(pi5: Board) -> None:
    with linked(pi5.port) as link:
        command = ["ssh", "-F", str(pi5.ssh_config), "-p", str(link.port), pi5.destination]
        # It writes, as an agent does, and so learns that nobody listens.
        loop = "while sleep 0.1; do echo here || exit; done"
        with subprocess.Popen([*command, loop], stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"here\n"
            assert pi5.processes()
            link.cut()
            assert client.wait(10) == 255
    wait_until(lambda: not pi5.processes(), 10, "the session's programs have ended")
