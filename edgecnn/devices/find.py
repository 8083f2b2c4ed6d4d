"""Resolution of the names after ``--device`` to boards."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn.devices.board import Board
from edgecnn.devices.configured import Configured, config_path, read_devices
from edgecnn.devices.local import LocalBoard
from edgecnn.devices.names import ADB, BROWSER, EMULATED, HOST, check_serial, check_target
from edgecnn.devices.profile import Profile
from edgecnn.devices.profile_toml import profiles
from edgecnn.errors import DeviceConfigInvalid, UnknownDevice

# Usual names for a board, typed before a device of that name is configured.
USUAL = frozenset({"pi", "raspi", "raspberry", "raspberrypi", "board", "jetson", "orangepi"})
EXAMPLE = "pi@raspberrypi.local"
# An address of IPv4, or a host of the local network, without the user before it.
ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[\w-]+(\.[\w-]+)*\.(local|lan|home)")


def find_boards(names: Sequence[str]) -> list[Board]:
    """The boards of these names, each once, in the order in which they are first named.

    A name is ``host`` (this machine), ``browser`` (the one of this machine), a configured device, a
    profile that exactly one configured device has, ``PROFILE-emulated``, USER@HOST for ssh, ``adb``
    or ``adb:SERIAL`` for an Android device, or the path of a .toml file of devices.
    Interpreters on this machine, and its browser, are environments of one board.

    Raises:
        UnknownDevice: a name is none of these; the message offers what to type.
        DeviceConfigInvalid: a file of devices is invalid.
    """
    resolved = [one for name in dict.fromkeys(names) for one in _resolve(name)]
    local: dict[str, str | None] = {}
    places: dict[tuple[object, ...], Configured | Profile] = {}
    called: set[str] = set()
    for one in resolved:
        place = _place(one)
        if place in places:
            continue
        places[place] = one
        name = _name_of(one)
        if name in called:
            raise DeviceConfigInvalid(
                f"two devices are called {name!r}; rename one, to tell their results apart"
            )
        called.add(name)
        if isinstance(one, Configured) and one.ssh is None and one.adb is None:
            local[one.name] = one.python
    return _boards(list(places.values()), local)


def _boards(
    devices: Sequence[Configured | Profile], local: Mapping[str, str | None]
) -> list[Board]:
    boards: list[Board] = []
    is_local_there = False
    for one in devices:
        if isinstance(one, Profile):
            from edgecnn.devices.emulated import EmulatedBoard

            boards.append(EmulatedBoard(one))
        elif one.adb is not None:
            from edgecnn.devices.adb import AdbBoard

            boards.append(AdbBoard(one.name, one.adb))
        elif one.ssh is not None:
            boards.append(board_of(one))
        elif not is_local_there:
            is_local_there = True
            boards.append(LocalBoard(next(iter(local)) if len(local) == 1 else HOST, local))
    return boards


def board_of(device: Configured) -> Board:
    """The board of one configured device, or the interpreter on this machine that it is."""
    if device.ssh is None:
        return LocalBoard(device.name, {device.name: device.python})
    from edgecnn.devices.ssh import SshBoard

    return SshBoard(device.name, device.ssh, port=device.port, python=device.python)


def find_profile(name: str) -> Profile:
    """The profile called `name`, or that of the configured or emulated device of that name.

    Raises:
        UnknownDevice: there is none; the message offers the nearest.
    """
    known = profiles()
    if name in known:
        return known[name]
    if name.endswith(EMULATED):
        return _emulated(name)
    configured = read_devices()
    if name in configured:
        return _profile_of(configured[name])
    near = difflib.get_close_matches(name, [*known, *configured], 3, 0.4) or list(known)
    raise UnknownDevice(f"no profile is called {name[:80]!r}; did you mean {' or '.join(near)}?")


def _profile_of(device: Configured) -> Profile:
    if isinstance(device.profile, Profile):
        return device.profile
    if device.profile is not None:
        return profiles()[device.profile]
    if device.ssh is None:
        raise UnknownDevice(
            f"{device.name!r} is an interpreter on this machine, which has no profile"
        )
    raise UnknownDevice(
        f"{device.name!r} has no profile; write one into its table in {config_path()}, such as "
        f'profile = "rpi4"; edgecnn devices show rpi4 shows an example'
    )


def _place(one: Configured | Profile) -> tuple[object, ...]:
    """Key that two names of the same board share."""
    if isinstance(one, Profile):
        return (EMULATED, one.name)
    if one.name == BROWSER:
        return (BROWSER,)
    if one.adb is not None:
        return (ADB, one.adb)
    return ("ssh", one.ssh, one.port, one.python) if one.ssh else ("local", one.python)


def _name_of(one: Configured | Profile) -> str:
    return f"{one.name}{EMULATED}" if isinstance(one, Profile) else one.name


def _resolve(name: str) -> list[Configured | Profile]:
    if name in (HOST, BROWSER):
        return [Configured(name)]
    if name == ADB or name.startswith(f"{ADB}:"):
        serial = name.removeprefix(ADB).removeprefix(":")
        return [Configured(name, adb=check_serial(serial) if serial else "")]
    if name.endswith(".toml"):
        return _of_file(Path(name))
    if "@" in name:
        return [Configured(name, ssh=check_target(name))]
    configured = read_devices()
    if name in configured:
        return [configured[name]]
    if name.endswith(EMULATED):
        return [_emulated(name)]
    if name in profiles():
        return [_with_profile(name, configured)]
    raise _unknown(name, configured)


def _of_file(path: Path) -> list[Configured | Profile]:
    devices = read_devices(path)
    if not devices:
        raise DeviceConfigInvalid(
            f"{path} holds no device, expected tables such as [rpi] with ssh = {EXAMPLE!r}"
        )
    return list(devices.values())


def emulatable() -> Mapping[str, Profile]:
    """The profiles of boards that can be emulated, by name."""
    return {name: one for name, one in profiles().items() if one.emulation is not None}


def _emulated(name: str) -> Profile:
    what = name.removesuffix(EMULATED)
    known = emulatable()
    if what in known:
        return known[what]
    if what in profiles():
        reason = f"the profile {what!r} has no processor of QEMU's"
    else:
        near = difflib.get_close_matches(what, known, 1, 0.4)
        reason = f"no profile is called {what!r}" + (f"; did you mean {near[0]}?" if near else "")
    there_are = ", ".join(f"{one}{EMULATED}" for one in known)
    raise UnknownDevice(f"no board can be emulated as {name!r}: {reason}; there are {there_are}")


def _with_profile(name: str, configured: Mapping[str, Configured]) -> Configured:
    having = [one for one in configured.values() if one.profile_name == name]
    if len(having) == 1:
        return having[0]
    if having:
        names = ", ".join(one.name for one in having)
        raise UnknownDevice(f"{len(having)} boards are configured as a {name}: {names}; name one")
    raise UnknownDevice(_not_configured(name))


def _not_configured(name: str) -> str:
    message = f"no board is configured as {name!r}; add it: edgecnn devices add {name} {EXAMPLE}"
    return f"{message}; or try {name}{EMULATED}" if name in emulatable() else message


def _unknown(name: str, configured: Mapping[str, Configured]) -> UnknownDevice:
    known = [HOST, BROWSER, *configured, *profiles(), *(f"{one}{EMULATED}" for one in emulatable())]
    if name in USUAL or any(one.startswith(name) for one in profiles() if len(name) > 1):
        return UnknownDevice(_not_configured(name))
    if ADDRESS.fullmatch(name):
        return UnknownDevice(
            f"no device is called {name!r}; a board is USER@ADDRESS, as in pi@{name}; "
            f"edgecnn devices add NAME pi@{name} gives it a name"
        )
    near = difflib.get_close_matches(name, known, 3, 0.5)
    if near:
        return UnknownDevice(
            f"no device is called {name[:80]!r}; did you mean {' or '.join(near)}?"
        )
    own = f" and your own: {', '.join(configured)}" if configured else ""
    return UnknownDevice(
        f"no device is called {name[:80]!r}; there are {HOST}, {BROWSER}{own}; edgecnn devices "
        f"lists all, and edgecnn devices add NAME {EXAMPLE} adds one"
    )
