"""The file of the user's devices, which people and commands write in turn."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edgecnn.devices.configured import (
    Configured,
    add_device,
    config_path,
    read_devices,
    remove_device,
)
from edgecnn.devices.profile import Profile
from edgecnn.errors import DeviceConfigInvalid

BY_HAND = """\
# boards in the lab

[rpi]   # the one with the fan
ssh = "pi@raspberrypi.local"
port = 2222
# 64-bit image
profile = "rpi4"

# mine, on the desk
[desk.profile]
title = "A board of my own"
machine = "aarch64"
models = [
    "A board",  # as it calls itself
]

[desk.profile.engines]
expected = ["onnxruntime"]
note = "as it comes"
source = "tried"

[desk]
ssh = "desk"

# NumPy 1
[local-tflite]
python = "~/.venv-tflite/bin/python"
# the end
"""


def write(config: Path, text: str) -> None:
    config.parent.mkdir(exist_ok=True)
    config.write_text(text)


def refusal(config: Path, text: str) -> str:
    write(config, text)
    with pytest.raises(DeviceConfigInvalid) as caught:
        read_devices()
    said = str(caught.value)
    assert said.startswith(str(config))
    assert "\n" not in said
    return said


def test_the_examples_of_the_page_hold(config: Path) -> None:
    page = (Path(__file__).parents[4] / "docs/devices.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", page, re.S)
    assert len(examples) == 2
    for example in examples:
        write(config, example)
        assert read_devices()


def test_without_a_file_there_are_no_devices(config: Path) -> None:
    assert config_path() == config
    assert read_devices() == {}


def test_the_file_lies_where_configuration_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGECNN_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert config_path() == Path("/xdg/edgecnn/devices.toml")


def test_a_file_written_by_hand_is_read(config: Path) -> None:
    write(config, BY_HAND)
    devices = read_devices()
    assert list(devices) == ["rpi", "desk", "local-tflite"]
    assert devices["rpi"] == Configured("rpi", "pi@raspberrypi.local", 2222, None, "rpi4")
    own = devices["desk"].profile
    assert isinstance(own, Profile)
    assert (own.name, own.title, devices["desk"].profile_name) == (
        "desk",
        "A board of my own",
        "desk",
    )
    python = devices["local-tflite"].python
    assert python == str(Path("~/.venv-tflite/bin/python").expanduser())


def test_an_interpreter_without_a_whole_path_is_looked_for_beside_the_file(config: Path) -> None:
    write(config, '[own]\npython = "venv/bin/python"')
    assert read_devices()["own"].python == str(config.parent / "venv/bin/python")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rpi = 7", "rpi is 7, expected a table"),
        ("[rpi]", "[rpi] has neither ssh nor python, expected ssh = "),
        ("[rpi]\nssh = 7", "rpi.ssh is 7, expected a text"),
        ('[rpi]\nssh = ""', "rpi.ssh is '', expected a text"),
        ('[rpi]\nsssh = "pi@h"', "rpi.sssh is not a known key; did you mean ssh?"),
        ('[rpi]\nssh = "pi@h"\nport = "22"', "rpi.port is '22', expected a whole number"),
        ('[rpi]\nssh = "pi@h"\nport = 0', "rpi.port is 0, expected a whole number from 1"),
        ('[rpi]\nssh = "pi@h"\nport = 70000', "rpi.port is 70000, expected a whole number from 1"),
        (
            '[rpi]\nssh = "pi@h"\nprofile = "rpi44"',
            "no profile is called 'rpi44'; did you mean rpi4",
        ),
        ('[rpi]\nssh = "pi@h"\nprofile = {}', "[rpi.profile] has no key 'title'"),
        ('[rpi]\nssh = "pi@h"\npython = "-c evil"', "'-c evil' is not an interpreter of a board"),
        ('[rpi]\nssh = "pi@h:22"', "names a port; write it apart"),
        ('[own]\npython = "/p"\nport = 22', "own.port is given without ssh"),
        ('[own]\npython = "/p"\nprofile = "rpi4"', "own.profile is given without ssh"),
        ('["my board"]\nssh = "pi@h"', "a device cannot be called 'my board'"),
        ('[host]\nssh = "pi@h"', "a device cannot be called 'host', which means this machine"),
        ('[rpi4-emulated]\nssh = "pi@h"', "which means an emulated board"),
        ('["a.toml"]\nssh = "pi@h"', "which means a file"),
        ("[rpi\nssh", "is not TOML: "),
        ('[rpi]\nssh = "a"\n[rpi]\nssh = "b"', "is not TOML: "),
    ],
)
def test_what_does_not_hold_is_refused_by_file_and_key(config: Path, text: str, said: str) -> None:
    assert said in refusal(config, text)


@pytest.mark.parametrize(
    "target",
    [
        *("-oProxyCommand=touch /tmp/x", "-p", "pi@-oProxyCommand=x", "-pi@host", "pi@"),
        *("pi host", "pi@host;reboot", "pi@$(reboot)", "pi@host`id`", "pi@ho'st", "@host"),
        *("pi@host\\nProxyCommand x", "ssh://pi@host", "pi@[::1]", "a" * 300, "pi@h\\u0000"),
    ],
)
def test_a_target_that_ssh_or_a_shell_could_misread_is_refused(config: Path, target: str) -> None:
    said = refusal(config, f'[rpi]\nssh = "{target}"')
    assert "is not a target for ssh" in said or "expected a text" in said


@pytest.mark.parametrize(
    "target",
    [
        *("raspberrypi.local", "pi@raspberrypi.local", "pi@192.168.1.7", "lab_pi", "root@pi-4"),
        *("pi@fe80::1%eth0", "::1", "john.doe@host", "pi@xn--bcher-kva.example"),
    ],
)
def test_targets_as_people_have_them_are_taken(config: Path, target: str) -> None:
    write(config, f'[rpi]\nssh = "{target}"')
    assert read_devices()["rpi"].ssh == target


def test_the_first_device_makes_the_file(config: Path) -> None:
    assert add_device(Configured("rpi", "pi@raspberrypi.local", 2222, None, "rpi4")) == config
    text = config.read_text()
    assert text.startswith("# The devices of edgecnn")
    assert tomllib.loads(text) == {
        "rpi": {"ssh": "pi@raspberrypi.local", "port": 2222, "profile": "rpi4"}
    }


def test_adding_changes_nothing_of_what_is_there(config: Path) -> None:
    write(config, BY_HAND)
    add_device(Configured("lab.pi5", "pi@five"))
    text = config.read_text()
    assert text.startswith(BY_HAND)
    assert read_devices()["lab.pi5"].ssh == "pi@five"


@pytest.mark.parametrize("name", ["rpi", "desk", "local-tflite"])
def test_removing_takes_one_device_and_no_comment_of_the_others(config: Path, name: str) -> None:
    write(config, BY_HAND)
    remove_device(name)
    text = config.read_text()
    left = tomllib.loads(BY_HAND)
    del left[name]
    assert tomllib.loads(text) == left
    for comment in ("# boards in the lab", "# mine, on the desk", "# NumPy 1\n", "# the end"):
        assert comment in text


def test_what_was_added_and_removed_leaves_the_file_as_it_was(config: Path) -> None:
    write(config, BY_HAND)
    add_device(Configured("x", "pi@x"))
    remove_device("x")
    assert config.read_text().rstrip() == BY_HAND.rstrip()


def test_a_name_that_is_taken_is_refused_and_nothing_is_written(config: Path) -> None:
    write(config, BY_HAND)
    with pytest.raises(DeviceConfigInvalid, match="edgecnn devices remove rpi"):
        add_device(Configured("rpi", "pi@other"))
    assert config.read_text() == BY_HAND


def test_removing_what_is_not_there_names_what_is(config: Path) -> None:
    write(config, BY_HAND)
    with pytest.raises(DeviceConfigInvalid, match=r"'rip' in .*; it has rpi, desk, local-tflite"):
        remove_device("rip")


def test_a_broken_file_is_not_written_over(config: Path) -> None:
    write(config, "[rpi")
    with pytest.raises(DeviceConfigInvalid, match="is not TOML"):
        add_device(Configured("x", "pi@x"))
    assert config.read_text() == "[rpi"


def test_a_file_kept_elsewhere_stays_there(config: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.toml"
    kept.write_text(BY_HAND)
    config.parent.mkdir()
    config.symlink_to(kept)
    add_device(Configured("x", "pi@x"))
    assert config.is_symlink()
    assert "pi@x" in kept.read_text()


def test_a_folder_that_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGECNN_CONFIG", str(tmp_path / "file" / "config"))
    with pytest.raises(DeviceConfigInvalid, match=r"cannot write .*: not a directory"):
        add_device(Configured("x", "pi@x"))


def test_processes_that_add_at_once_lose_nothing(config: Path) -> None:
    code = """
import sys
from edgecnn.devices.configured import Configured, add_device
add_device(Configured(sys.argv[1], "pi@host"))
"""
    names = [f"pi{number}" for number in range(6)]
    adding = [subprocess.Popen([sys.executable, "-c", code, name]) for name in names]
    assert [one.wait() for one in adding] == [0] * len(names)
    assert set(read_devices()) == set(names)
    assert [path.name for path in config.parent.iterdir() if path.name.endswith(".part")] == []
