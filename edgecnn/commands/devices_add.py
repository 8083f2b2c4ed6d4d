"""``edgecnn devices add``: store a board, or an interpreter on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.options import json_option, quiet_option

if TYPE_CHECKING:
    from edgecnn.devices.board import Facts
    from edgecnn.devices.configured import Configured


@click.command("add", short_help="Add a board, or an interpreter here.")
@click.argument("name")
@click.argument("target", required=False)
@click.option("--profile", help="Profile of the board; by default that of its model.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of ssh; by default the one that ssh chooses.",
)
@click.option("--python", help="Interpreter on the board; without TARGET, one on this machine.")
@click.option("--no-check", is_flag=True, help="Do not contact it.")
@json_option
@quiet_option
def add(
    name: str,
    target: str | None,
    profile: str | None,
    port: int | None,
    python: str | None,
    no_check: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Add the board that ssh reaches at TARGET as NAME.

    TARGET is USER@HOST, or a Host of your ~/.ssh/config; ssh must get there with a key and without
    a question. What cannot be reached is not stored. Without TARGET, --python is an interpreter on
    this machine with engines of its own.

    \b
    Examples:
      edgecnn devices add rpi pi@raspberrypi.local
      edgecnn devices add lab root@192.168.1.7 --port 2222 --profile rk3588
      edgecnn devices add local-tflite --python .venv-tflite/bin/python
    """
    from edgecnn.devices.configured import add_device, check_free
    from edgecnn.results.devices import DeviceAddedResult
    from edgecnn.results.printing import print_result

    check_free(name)
    device = _requested(name, target, profile, port, python)
    described = ""
    if not no_check:
        device, described = _examined(device, quiet)
    print_result(DeviceAddedResult(device, described, add_device(device)), as_json=as_json)


def _requested(
    name: str, target: str | None, profile: str | None, port: int | None, python: str | None
) -> Configured:
    """The device as it was typed: a board, or an interpreter on this machine."""
    from edgecnn.devices.configured import Configured
    from edgecnn.devices.names import check_python, check_target
    from edgecnn.devices.profile_toml import check_profile

    if target is not None:
        check_target(target)
        checked = None if python is None else check_python(python)
        named = None if profile is None else check_profile(profile)
        return Configured(name, target, port, checked, named)
    if python is None:
        raise click.UsageError(
            "give the board's address, USER@HOST, or --python PATH for an interpreter here"
        )
    if port is not None or profile is not None:
        raise click.UsageError("--port and --profile are for boards; give the address: USER@HOST")
    return Configured(name, python=_whole_path(python))


def _whole_path(python: str) -> str:
    """An interpreter on this machine: a path, or a command as the shell would find it."""
    program = shutil.which(python) if "/" not in python else None
    return str(Path(program or python).expanduser().absolute())


def _examined(device: Configured, quiet: bool) -> tuple[Configured, str]:
    """The device with its profile, and its description in one line.

    Raises:
        DeviceFailed: it is not there; says what to do.
    """
    from edgecnn.console import note
    from edgecnn.devices.find import board_of
    from edgecnn.devices.listing import summary
    from edgecnn.errors import DeviceFailed
    from edgecnn.progress_bar import waiting

    board = board_of(device)
    try:
        if device.ssh is not None:
            with waiting(f"asking {device.ssh}", quiet=quiet):
                facts = board.facts()
            for remark in _remarks(device, facts):
                note(remark, quiet=quiet)
            return replace(device, profile=device.profile or _recognised_profile(facts)), summary(
                facts
            )
        with waiting(f"asking {device.python}", quiet=quiet):
            packages = board.offer().environments[device.name]
    except DeviceFailed as error:
        reason = str(error).rstrip(".")
        raise type(error)(
            f"{reason}. Nothing was stored; --no-check stores it unchecked"
        ) from error
    finally:
        board.close()
    if not packages:
        note(f"no engine there; {device.python} -m pip install onnxruntime", quiet=quiet)
    return device, ", ".join(f"{name} {version}" for name, version in packages.items())


def _recognised_profile(facts: Facts) -> str | None:
    """Name of the profile for a board's model, or of the general one for its kernel."""
    from edgecnn.devices.profile_toml import profile_of

    profile = profile_of(facts.model, facts.kernel)
    return None if profile is None else profile.name


def _remarks(device: Configured, facts: Facts) -> Iterator[str]:
    """Warnings about a board before a bench."""
    from edgecnn.devices.probe import OLDEST_PYTHON
    from edgecnn.devices.profile_toml import profiles

    if device.python is None and not any(
        python.version[:2] >= OLDEST_PYTHON for python in facts.pythons
    ):
        yield (
            "no Python 3.11 or newer was found there: sudo apt install python3 (Debian 12 on), "
            "or name one with --python"
        )
    if facts.machine != facts.kernel:
        yield (
            f"its programs are for {facts.machine}, though its kernel is for {facts.kernel}: most "
            "engines need a 64-bit system"
        )
    recognised = _recognised_profile(facts)
    if recognised and device.profile not in (None, recognised) and profiles()[recognised].models:
        yield f"its model is {facts.model!r}, which is a {recognised}"
