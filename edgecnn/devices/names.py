"""Validation of device names, ssh targets and interpreter paths."""

from __future__ import annotations

import re

from edgecnn.errors import DeviceConfigInvalid

HOST = "host"
BROWSER = "browser"
EMULATED = "-emulated"
ADB = "adb"
"""The one Android device that adb sees; `adb:SERIAL` is one of several."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# ssh takes what begins with a dash for an option, wherever it stands; and it puts user and host
# into commands of the user's configuration, so that a shell may see them.
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*\$?"
_HOST = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_IPV6 = r"[0-9A-Fa-f]*(?::[0-9A-Fa-f.]*){2,8}(?:%[A-Za-z0-9_.-]+)?"
_TARGET = re.compile(rf"(?:{_USER}@)?(?:{_HOST}|{_IPV6})")
_WITH_PORT = re.compile(rf"((?:{_USER}@)?{_HOST}):([0-9]+)")


def check_name(name: str) -> str:
    """Check the name of a configured device.

    Raises:
        DeviceConfigInvalid: it is not allowed; the message says why.
    """
    if not _NAME.fullmatch(name):
        raise DeviceConfigInvalid(
            f"a device cannot be called {name[:80]!r}; expected letters, digits, '.', '_' and '-', "
            "at most 64, a letter or digit first: rpi, lab-pi4"
        )
    if name in (HOST, BROWSER, ADB) or name.endswith((EMULATED, ".toml")):
        what = {
            HOST: "this machine",
            BROWSER: "the browser of this machine",
            ADB: "the Android device that adb sees",
        }.get(name, "a file" if name.endswith(".toml") else "an emulated board")
        raise DeviceConfigInvalid(
            f"a device cannot be called {name!r}, which means {what}; choose another name"
        )
    return name


def check_serial(serial: str) -> str:
    """Check the serial number of an Android device; that of a network device has a port.

    Raises:
        DeviceConfigInvalid: adb would take it for something else.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", serial):
        return serial
    raise DeviceConfigInvalid(
        f"{serial[:80]!r} is no serial number of an Android device; adb devices lists them"
    )


def check_target(target: str) -> str:
    """Check an ssh target: HOST, USER@HOST, or a Host of ~/.ssh/config.

    Raises:
        DeviceConfigInvalid: it is not one of these; the message says what to write instead.
    """
    if _TARGET.fullmatch(target) and len(target) <= 255:
        return target
    if named := _WITH_PORT.fullmatch(target):
        raise DeviceConfigInvalid(
            f"{target!r} names a port; write it apart: edgecnn devices add NAME {named[1]} "
            f"--port {named[2]}"
        )
    raise DeviceConfigInvalid(
        f"{target[:80]!r} is not a target for ssh; expected USER@HOST, as in "
        "pi@raspberrypi.local, or the name of a Host in ~/.ssh/config"
    )


def check_python(python: str) -> str:
    """Check an interpreter of a board: an absolute path, or a command that its shell finds.

    Raises:
        DeviceConfigInvalid: it is neither.
    """
    is_path = python.startswith("/") and python.isprintable()
    if is_path or re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", python):
        return python
    raise DeviceConfigInvalid(
        f"{python[:80]!r} is not an interpreter of a board; expected an absolute path, as in "
        "/usr/bin/python3.11"
    )
