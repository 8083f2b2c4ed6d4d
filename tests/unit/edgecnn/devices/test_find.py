"""From the names that people type to boards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgecnn.devices import find_boards
from edgecnn.errors import DeviceConfigInvalid, UnknownDevice


def write(config: Path, text: str) -> None:
    config.parent.mkdir(exist_ok=True)
    config.write_text(text)


def refusal(*names: str, kind: type[Exception] = UnknownDevice) -> str:
    with pytest.raises(kind) as caught:
        find_boards(names)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(*typed: str) -> list[str]:
    boards = find_boards(typed)
    for board in boards:
        board.close()
    return [board.name for board in boards]


def test_host_is_this_machine_once() -> None:
    (board,) = find_boards(["host", "host"])
    assert board.name == "host"
    assert board.is_timed
    assert list(board.prepare()) == ["host"]


def test_host_needs_no_sound_file(config: Path) -> None:
    write(config, "[broken")
    assert names("host") == ["host"]
    assert "is not TOML" in refusal("rpi", kind=DeviceConfigInvalid)


def test_interpreters_on_this_machine_are_one_board(config: Path) -> None:
    write(config, '[a]\npython = "/a/python"\n[b]\npython = "/b/python"')
    (board,) = find_boards(["a", "host", "b"])
    assert board.name == "host"
    assert list(board.prepare()) == ["a", "host", "b"]
    (board,) = find_boards(["b"])
    assert board.name == "b"
    assert board.prepare()["b"].command[0] == "/b/python"


def test_a_board_of_the_users_own_is_found_by_name_profile_and_target(config: Path) -> None:
    write(config, '[desk]\nssh = "pi@h"\nprofile = "rpi4"')
    assert names("desk") == names("rpi4") == names("desk", "rpi4", "pi@h") == ["desk"]
    assert names("pi@h") == ["pi@h"]
    assert names("pi@other", "host", "desk") == ["pi@other", "host", "desk"]


def test_a_profile_that_two_boards_have_is_not_guessed(config: Path) -> None:
    write(config, '[a]\nssh = "x@a"\nprofile = "rpi4"\n[b]\nssh = "x@b"\nprofile = "rpi4"')
    assert refusal("rpi4") == "2 boards are configured as a rpi4: a, b; name one"


def test_a_file_brings_all_its_devices(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('[here]\npython = "venv/python"\n[too]\npython = "/too/python"')
    (board,) = find_boards([str(path)])
    assert [one.command[0] for one in board.prepare().values()] == [
        str(tmp_path / "venv/python"),
        "/too/python",
    ]


def test_a_file_without_devices_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("# none yet")
    assert "holds no device" in refusal(str(tmp_path / "my.toml"), kind=DeviceConfigInvalid)
    assert "no such file" in refusal(str(tmp_path / "no.toml"), kind=DeviceConfigInvalid)


def test_two_devices_of_one_name_are_refused(config: Path, tmp_path: Path) -> None:
    write(config, '[a]\npython = "/a/python"')
    (tmp_path / "my.toml").write_text('[a]\npython = "/b/python"')
    said = refusal("a", str(tmp_path / "my.toml"), kind=DeviceConfigInvalid)
    assert "two devices are called 'a'" in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("hots", "did you mean host?"),
        ("dsek", "did you mean desk?"),
        ("rpi4-emulatd", "did you mean rpi4-emulated"),
        ("rk3588-emulated", "has no processor of QEMU's; there are rpi-zero2w-emulated"),
        ("rpi6-emulated", "no profile is called 'rpi6'; did you mean rpi"),
        ("rpi", "add it: edgecnn devices add rpi pi@raspberrypi.local"),
        ("raspberrypi", "add it: edgecnn devices add raspberrypi pi@raspberrypi.local"),
        ("jetson", "add it: edgecnn devices add jetson pi@raspberrypi.local"),
        ("rpi5", "add it: edgecnn devices add rpi5 pi@raspberrypi.local; or try rpi5-emulated"),
        ("rk3588", "no board is configured as 'rk3588'; add it: edgecnn devices add rk3588"),
        ("zzz", "there are host, browser and your own: desk"),
        ("my board", "no device is called 'my board'"),
        ("", "no device is called ''"),
    ],
)
def test_an_unknown_name_is_answered_with_what_to_type(config: Path, typed: str, said: str) -> None:
    write(config, '[desk]\nssh = "pi@h"')
    assert said in refusal(typed)


@pytest.mark.parametrize("typed", ["-oProxyCommand=sh@x", "a b@c", "pi@-x", "pi@h;id", "pi@h:22"])
def test_a_target_that_ssh_could_misread_is_refused(typed: str) -> None:
    assert repr(typed) in refusal(typed, kind=DeviceConfigInvalid)


def test_finding_starts_nothing(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(config, f'[own]\npython = "{sys.executable}x"')
    find_boards(["own"])
    assert capfd.readouterr() == ("", "")
