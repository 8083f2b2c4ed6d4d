"""Choice of the engines for a board, from the wheels on the package index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TypeVar

from edgecnn.devices.board import Facts, Interpreter
from edgecnn.devices.wheels import clone
from edgecnn.devices.wheels.index import NoWheel, Wheel
from edgecnn.devices.wheels.memory import remembered
from edgecnn.devices.wheels.reasons import reason_for_none
from edgecnn.devices.wheels.resolve import resolve
from edgecnn.devices.wheels.supply import Supplies, Supply
from edgecnn.devices.wheels.target import WheelTarget
from edgecnn.errors import NativeBuildFailed
from edgecnn_runtime.engines.table import PACKAGES

# Engine's package → the extra of edgecnn with the versions that were tested.
EXTRAS = {name: package.extra for name, package in PACKAGES.items() if package.extra is not None}
MOST_AT_ONCE = 4
# Environment → the packages that may share it.
ENVIRONMENTS = {
    environment: tuple(name for name in EXTRAS if PACKAGES[name].environment == environment)
    for environment in dict.fromkeys(package.environment for package in PACKAGES.values())
}


@dataclass(frozen=True)
class Missing:
    """The package that an engine lacks: itself, or one that it requires.

    Attributes:
        reason: in words; empty where the index is to be asked for it.
    """

    package: str
    requirement: str
    reason: str = ""


WheelChoice = tuple[Wheel, ...] | Missing
Result = TypeVar("Result")


def choose(
    facts: Facts, pythons: Sequence[Interpreter], packages: Collection[str] | None = None
) -> Supplies:
    """Engines for a board, with the first of its Pythons that has wheels of most engines.

    Each engine is resolved apart, so that one without a wheel takes none of the others along, then
    all that are left together. Answers of the index are remembered.

    Args:
        pythons: those to choose from, best first; at least one.
        packages: that a bench needs; None for all. Where edgecnn-native is not among them it is
            left out: a clone would compile it.

    Raises:
        IndexUnreachable: the package index cannot be asked, and no answer is remembered.
    """
    if facts.libc is None:
        reason = "the board does not say which C library it has"
        return Supplies((), dict.fromkeys(EXTRAS, reason))
    environments: list[Supply] = []
    refused: dict[str, str] = {}
    is_native_needed = packages is None or clone.PACKAGE in packages
    for name, all_engines in ENVIRONMENTS.items():
        engines = [one for one in all_engines if is_native_needed or one != clone.PACKAGE]
        resolved = []
        for python in pythons:
            target = WheelTarget(facts.machine, facts.libc, python.version[:2])
            answers = _answers(engines, target)
            resolved.append((python, target, answers))
            if not _missing(answers):
                break
        python, target, answers = min(resolved, key=lambda one: len(_missing(one[2])))
        environments += _environments(name, python, target, answers)
        refused |= _reasons(_missing(answers), target)
    return Supplies(tuple(environments), refused)


def requirements(extra: str) -> tuple[str, ...]:
    """Requirements of an engine's extra, and of NumPy, in the runtime's metadata: tested versions.

    Markers are left out: the index tells which Pythons a package is available for.
    """
    from packaging.requirements import Requirement

    of_extra, numpy = [], []
    for one in map(Requirement, _of_runtime()):
        if one.marker is not None and f'extra == "{extra}"' in str(one.marker):
            of_extra.append(one)
        elif one.name == "numpy" and one.marker is None:
            numpy.append(one)
    # The engine first: if it has no wheel itself, that is the reason to give.
    of_extra.sort(key=lambda one: one.name == "numpy")
    return tuple(f"{one.name}{one.specifier}" for one in (*of_extra, *numpy))


def _of_runtime() -> Sequence[str]:
    """Requirements of edgecnn-runtime; a build of a clone has them as edgecnn's own."""
    try:
        return metadata.requires("edgecnn-runtime") or ()
    except metadata.PackageNotFoundError:
        return metadata.requires("edgecnn") or ()


def _answers(engines: Sequence[str], target: WheelTarget) -> dict[str, WheelChoice]:
    """Resolve each engine by itself."""
    return _at_once(lambda engine: _answer(engine, target), engines)


def _answer(engine: str, target: WheelTarget) -> WheelChoice:
    wanted = requirements(EXTRAS[engine])
    if engine != clone.PACKAGE:
        return _resolved(wanted, target)
    try:
        own = clone.wheel_of_clone(target)
    except NativeBuildFailed as error:
        return Missing(engine, engine, str(error))
    return _resolved(wanted, target) if own is None else _with(own, wanted, target)


def _with(chosen: Wheel, wanted: Sequence[str], target: WheelTarget) -> WheelChoice:
    """A wheel that need not be the index's, and the index's of all that is wanted beside it."""
    others = [one for one in wanted if not one.startswith(chosen.name)]
    answer = _resolved(tuple(dict.fromkeys((*others, *chosen.requires))), target)
    return answer if isinstance(answer, Missing) else (chosen, *answer)


def _reasons(missing: Mapping[str, Missing], target: WheelTarget) -> dict[str, str]:
    return _at_once(lambda engine: _reason(engine, missing[engine], target), list(missing))


def _at_once(ask: Callable[[str], Result], names: Sequence[str]) -> dict[str, Result]:
    """Ask for each name in a thread of its own: most of the time is spent waiting for the index."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        return dict(zip(names, pool.map(ask, names), strict=True))


def _environments(
    name: str, python: Interpreter, target: WheelTarget, answers: Mapping[str, WheelChoice]
) -> list[Supply]:
    """One environment for all available engines, or one for each where their wheels conflict."""
    apart = {
        engine: answer for engine, answer in answers.items() if not isinstance(answer, Missing)
    }
    if not apart:
        return []
    wanted = tuple(dict.fromkeys(r for engine in apart for r in requirements(EXTRAS[engine])))
    native = next((one for one in apart.get(clone.PACKAGE, ()) if one.name == clone.PACKAGE), None)
    together = _resolved(wanted, target) if native is None else _with(native, wanted, target)
    if isinstance(together, Missing):
        return [Supply(engine, python, target, (engine,), apart[engine]) for engine in apart]
    return [Supply(name, python, target, tuple(apart), together)]


def _missing(answers: Mapping[str, WheelChoice]) -> dict[str, Missing]:
    return {engine: one for engine, one in answers.items() if isinstance(one, Missing)}


def _resolved(wanted: Sequence[str], target: WheelTarget) -> WheelChoice:
    """`resolve`, with the answer cached."""

    def ask() -> dict[str, object]:
        try:
            return {"wheels": [asdict(wheel) for wheel in resolve(wanted, target)]}
        except NoWheel as error:
            return {"missing": asdict(Missing(error.package, error.requirement))}

    answer = remembered(f"wheels of {' '.join(sorted(wanted))} for {target}", ask)
    if "missing" in answer:
        return Missing(**answer["missing"])
    return tuple(Wheel(**one | {"requires": tuple(one["requires"])}) for one in answer["wheels"])


def _reason(engine: str, missing: Missing, target: WheelTarget) -> str:
    requirement = missing.requirement
    if missing.reason:
        return missing.reason
    reason: str = remembered(
        f"why no wheel of {requirement} for {target}", lambda: reason_for_none(requirement, target)
    )
    return reason if missing.package == engine else f"requires {missing.package}: {reason}"
