"""Reasons why a package has no wheel for a board, found by asking the index for other targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgecnn.devices.wheels.index import NoWheel, Wheel, find_wheels
from edgecnn.devices.wheels.target import OLDEST_GLIBC, WheelTarget, needed_glibc

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14), (3, 15))
MACHINES = ("aarch64", "x86_64", "armv7l")


def reason_for_none(requirement: str, target: WheelTarget) -> str:
    """The reason, in words, why the index has no wheel of `requirement` for the target.

    Raises:
        IndexUnreachable: pip cannot ask.
    """
    newest = target.with_newest_libc()
    if wheel := _first(requirement, newest):
        return _because_of_libc(requirement, wheel, target)
    others = [one for one in PYTHONS if one != target.python]
    if available := list(_all(requirement, [replace(newest, python=one) for one in others])):
        own = [replace(one, libc=target.libc) for one, _ in available]
        listed = list(_all(requirement, own)) or available
        pythons = [one.python_name for one, _ in listed]
        reason = f"no wheel for Python {target.python_name}, there is one for {_listing(pythons)}"
        if listed is not available:
            return reason
        return f"{reason}, and {_because_of_libc(requirement, available[0][1], own[0])}"
    for python in (target.python, *others):
        machines = [replace(newest, machine=one, python=python) for one in MACHINES]
        if wheel := _first(requirement, *machines):
            there = next((one for one in MACHINES if one in wheel.file), "others")
            return f"no wheel for {target.machine}, there is one for {there}"
    return f"the package index has no wheel of {requirement}"


def _because_of_libc(requirement: str, wheel: Wheel, target: WheelTarget) -> str:
    """`wheel` is the newest that a newer glibc would allow; an older release may need less."""
    board = "{} {}.{}".format(target.libc[0], *target.libc[1])
    needed = needed_glibc(wheel.file)
    if needed is None:
        return f"needs glibc, the board has {board}"
    low = target.libc[1][1] + 1 if target.libc[0] == "glibc" else OLDEST_GLIBC
    high = needed[1]
    while low < high:
        middle = (low + high) // 2
        if _first(requirement, replace(target, libc=("glibc", (2, middle)))):
            high = middle
        else:
            low = middle + 1
    return f"needs glibc 2.{high}, the board has {board}"


def _listing(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _first(requirement: str, *targets: WheelTarget) -> Wheel | None:
    try:
        return find_wheels([requirement], *targets)[0]
    except NoWheel:
        return None


def _all(requirement: str, targets: Sequence[WheelTarget]) -> Iterator[tuple[WheelTarget, Wheel]]:
    for target in targets:
        if wheel := _first(requirement, target):
            yield target, wheel
