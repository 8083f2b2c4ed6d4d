"""The user's own devices: a TOML file that people edit, and that commands add to."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.devices.edit_toml import edited, take_out
from edgecnn.devices.names import check_name, check_python, check_target
from edgecnn.devices.profile import Profile
from edgecnn.devices.profile_toml import check_profile, profile_from
from edgecnn.devices.toml_fields import TomlFields, read_toml
from edgecnn.errors import DeviceConfigInvalid

MAX_PORT = 65535
HEADER = """\
# The devices of edgecnn; `edgecnn devices add` and `remove` edit this file and keep its comments.
"""


@dataclass(frozen=True)
class Configured:
    """A device of the user's.

    Attributes:
        ssh: where ssh is sent; None for an interpreter on this machine.
        python: an interpreter: of the board, or, without `ssh`, on this machine.
        profile: the name of one that edgecnn brings, or one that stands in the file itself.
        adb: serial number of an Android device, empty for the only one; never in a file.
    """

    name: str
    ssh: str | None = None
    port: int | None = None
    python: str | None = None
    profile: str | Profile | None = None
    adb: str | None = None

    @property
    def profile_name(self) -> str | None:
        """Name of the profile."""
        return self.profile.name if isinstance(self.profile, Profile) else self.profile


def config_path() -> Path:
    """The file of the user's devices: in $EDGECNN_CONFIG, or in the user's configuration folder."""
    if chosen := os.environ.get("EDGECNN_CONFIG"):
        return Path(chosen).absolute() / "devices.toml"
    from platformdirs import user_config_path

    return user_config_path("edgecnn") / "devices.toml"


def read_devices(path: Path | None = None) -> Mapping[str, Configured]:
    """The devices of a file, by name; of the user's file, which need not exist, by default.

    Raises:
        DeviceConfigInvalid: the file cannot be read, or an entry is invalid; names file and key.
    """
    if path is None:
        path = config_path()
        if not path.exists():
            return {}
    entries = read_toml(path)
    return {name: _entry(name, value, path) for name, value in entries.items()}


def add_device(device: Configured, path: Path | None = None) -> Path:
    """Add a device to the file; its other content and comments stay.

    Returns:
        The file.

    Raises:
        DeviceConfigInvalid: the name is taken, or the file cannot be read or written.
    """
    path = path or config_path()
    with edited(path, HEADER) as document:
        _check_free(device.name, document, path)
        import tomlkit

        table = tomlkit.table()
        values = {
            "ssh": device.ssh,
            "port": device.port,
            "python": device.python,
            "profile": device.profile_name,
        }
        for key, value in values.items():
            if value is not None:
                table.add(key, value)
        if not document.as_string().endswith("\n\n"):
            document.add(tomlkit.nl())
        document.add(device.name, table)
    return path


def check_free(name: str) -> None:
    """Check that a device name is valid and not taken.

    Raises:
        DeviceConfigInvalid: it is not valid, or it is taken.
    """
    check_name(name)
    _check_free(name, read_devices(), config_path())


def _check_free(name: str, taken: Container[str], path: Path) -> None:
    if name in taken:
        raise DeviceConfigInvalid(
            f"{name!r} is configured already, in {path}; choose another name, or first: "
            f"edgecnn devices remove {name}"
        )


def remove_device(name: str, path: Path | None = None) -> Path:
    """Remove a device from the file.

    Returns:
        The file.

    Raises:
        DeviceConfigInvalid: there is none of that name, or the file cannot be read or written.
    """
    path = path or config_path()
    with edited(path, HEADER) as document:
        if name not in document:
            names = ", ".join(document) or "none"
            raise DeviceConfigInvalid(
                f"no device is configured as {name!r} in {path}; it has {names}"
            )
        take_out(document, name)
    return path


def _entry(name: str, value: object, path: Path) -> Configured:
    _checked(path, check_name, name)
    fields = TomlFields(value, str(path), name)
    ssh = fields.optional("ssh", fields.text)
    device = Configured(
        name=name,
        ssh=None if ssh is None else _checked(path, check_target, ssh),
        port=fields.optional("port", lambda key: fields.whole(key, 1, MAX_PORT)),
        python=fields.optional("python", fields.text),
        profile=_profile(name, fields, path),
    )
    fields.finish()
    if device.ssh is None:
        return _local(device, path)
    if device.python is not None:
        _checked(path, check_python, device.python)
    return device


def _checked(path: Path, check: Callable[[str], str], value: str) -> str:
    """Run `check` on a value, naming the file in its error."""
    try:
        return check(value)
    except DeviceConfigInvalid as error:
        raise DeviceConfigInvalid(f"{path}: {error}") from error


def _profile(name: str, fields: TomlFields, path: Path) -> str | Profile | None:
    if fields.holds("profile", dict):
        return profile_from(name, fields.table("profile"))
    named = fields.optional("profile", fields.text)
    return None if named is None else _checked(path, check_profile, named)


def _local(device: Configured, path: Path) -> Configured:
    """An interpreter on this machine; a relative path is relative to the file's folder."""
    if device.python is None:
        raise DeviceConfigInvalid(
            f"{path}: [{device.name}] has neither ssh nor python, expected "
            'ssh = "USER@HOST" for a board, or python = "/path/to/python" for an interpreter here'
        )
    for key in ("port", "profile"):
        if getattr(device, key) is not None:
            raise DeviceConfigInvalid(
                f"{path}: {device.name}.{key} is given without ssh, expected with ssh only"
            )
    python = Path(device.python)
    if device.python.startswith("~/"):
        python = python.expanduser()
    return Configured(device.name, python=str(path.parent.absolute() / python))
