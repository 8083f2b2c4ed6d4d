"""Dependency resolution of an engine's wheels for a board, or the reason why there is none.

pip alone would read the markers of requirements (``python_version < "3.12"``) for the Python and
the machine that it runs on. The board is neither, so the requirements are followed here, and pip is
asked for one level of them at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgecnn.devices.wheels.index import NoWheel, Wheel, find_wheels
from edgecnn.devices.wheels.target import WheelTarget, markers

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def resolve(requirements: Sequence[str], target: WheelTarget) -> tuple[Wheel, ...]:
    """Wheels that satisfy the requirements and, between them, all that they require.

    The newest of each is taken that the ranges known so far allow. A version is never lowered to
    widen the range of another: a conflict is refused.

    Raises:
        NoWheel: a package has none that fits the target, and the ranges that the others leave.
        IndexUnreachable: pip cannot ask.
    """
    chosen: dict[str, Wheel] = {}
    tried = set()
    # Versions that exclude each other lead back to an earlier state.
    while (state := frozenset(chosen.values())) not in tried:
        tried.add(state)
        needed = _needed(requirements, chosen, target)
        missing = [
            str(one)
            for name, one in needed.items()
            if name not in chosen or not one.specifier.contains(chosen[name].version, True)
        ]
        if not missing:
            return tuple(chosen[name] for name in needed)
        chosen |= {wheel.name: wheel for wheel in find_wheels(missing, target)}
    listing = ", ".join(requirements)
    name = next(iter(chosen))
    raise NoWheel(name, listing, f"no versions of {listing} agree on what they require")


def required(wheel: Wheel, target: WheelTarget) -> list[Requirement]:
    """Requirements of a wheel on the target, without its extras."""
    return _applicable(wheel.requires, target)


def closure(
    names: Sequence[str], wheels: Sequence[Wheel], target: WheelTarget
) -> tuple[Wheel, ...]:
    """Of resolved wheels those that the packages need, themselves included, in the given order."""
    from packaging.utils import canonicalize_name

    by_name: Mapping[str, Wheel] = {wheel.name: wheel for wheel in wheels}
    packages: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in packages or name not in by_name:
            continue
        packages.add(name)
        waiting += [canonicalize_name(one.name) for one in required(by_name[name], target)]
    return tuple(wheel for wheel in wheels if wheel.name in packages)


def _needed(
    requirements: Sequence[str], chosen: Mapping[str, Wheel], target: WheelTarget
) -> dict[str, Requirement]:
    """Package → the range that all who need it leave, of what can be reached through `chosen`."""
    from packaging.utils import canonicalize_name

    needed: dict[str, Requirement] = {}
    waiting = _applicable(requirements, target)
    seen = set()
    while waiting:
        one = waiting.pop(0)
        name = canonicalize_name(one.name)
        if name in needed:
            needed[name].specifier &= one.specifier
        else:
            one.marker = None
            needed[name] = one
        if name in chosen and name not in seen:
            seen.add(name)
            waiting += required(chosen[name], target)
    return needed


def _applicable(requirements: Sequence[str], target: WheelTarget) -> list[Requirement]:
    from packaging.requirements import Requirement

    environment = dict(markers(target)) | {"extra": ""}
    parsed = map(Requirement, requirements)
    return [one for one in parsed if one.marker is None or one.marker.evaluate(environment)]
