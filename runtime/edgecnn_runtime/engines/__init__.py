"""Inference engines by name: those of the table, and those of other distributions. Needs no numpy.

`table.ENGINES` states what is known of each built-in engine. An engine of another distribution is
found by the entry point group ``edgecnn.engines`` and states the same facts in its class;
`protocol.Engine` documents which. An engine's package is imported when a model is opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from edgecnn_runtime.engines.table import ENGINES, ORACLES, EngineEntry, EnginePackage
from edgecnn_runtime.errors import EngineError, EngineUnavailable, first_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from edgecnn_runtime.engines.protocol import Engine
    from edgecnn_runtime.manifest import Artefact

ENTRY_POINTS = "edgecnn.engines"


def engine_names() -> Iterator[str]:
    """Names of all known engines, in order of preference; the test double last.

    Entry points are looked up only when the iteration reaches them.
    """
    yield from (entry.name for entry in ENGINES.values() if not entry.is_double)
    yield from (point.name for point in _entry_points() if point.name not in ENGINES)
    yield from (entry.name for entry in ENGINES.values() if entry.is_double)


def engine_entry(name: str) -> EngineEntry:
    """The facts of an engine; a plug-in's class states its own.

    Raises:
        EngineUnavailable: it is a plug-in that does not load.
        EngineError: no engine has that name.
    """
    if name in ENGINES:
        return ENGINES[name]
    point = _entry_point(name)
    kind = _load_plugin(point)
    names = getattr(kind, "packages", ()) or (_distribution(point),)
    packages = tuple(EnginePackage(package, extra=kind.extra) for package in names)
    return EngineEntry(name, frozenset(kind.formats), packages, point.value)


def engine_class(name: str) -> type[Engine]:
    """The class of an engine.

    Raises:
        EngineUnavailable: it is a plug-in that does not load.
        EngineError: no engine has that name.
    """
    entry = ENGINES.get(name) or ORACLES.get(name)
    if entry is None:
        return _load_plugin(_entry_point(name))
    module, attribute = entry.implementation.split(":")
    return cast("type[Engine]", getattr(importlib.import_module(module), attribute))


def engine_packages() -> dict[str, str]:
    """Package → name of its engine, for built-in engines and all plug-ins that load."""
    packages = {
        package: entry.name for entry in ENGINES.values() for package in entry.package_names
    }
    for name in engine_names():
        if name in ENGINES:
            continue
        try:
            names = engine_entry(name).package_names
        except EngineUnavailable:
            continue
        packages |= {package: name for package in names if package not in packages}
    return packages


def package_of(engine: str) -> str:
    """The preferred package of an engine; the engine's own name if no package is known."""
    if engine not in engine_names():
        return engine
    try:
        names = engine_entry(engine).package_names
    except EngineUnavailable:  # a plug-in that does not load
        return _distribution(_entry_point(engine))
    return names[0] if names else engine


def engine_of_format(format: str) -> str | None:
    """The preferred engine that opens a format; None if there is none. Skips the test double."""
    for name in engine_names():
        if name in ENGINES and ENGINES[name].is_double:
            continue
        if format in engine_entry(name).formats:
            return name
    return None


def oracles_of(artefact: Artefact) -> list[type[Engine]]:
    """Engines whose answers define what an artefact means; none where nothing does.

    Of an integer TFLite file they are the reference kernels: TensorFlow Lite Micro and Arm's TOSA
    reference model compute the same integers, fast kernels differ by a few.
    """
    if artefact.format == "tflite" and artefact.precision == "int8" and artefact.encodings:
        return [engine_class(name) for name in ORACLES]
    return []


def refuse_weights(engine: str, weights: bytes | None) -> None:
    """Refuse a weights file for a format that keeps its weights in the model file.

    Raises:
        EngineError: `weights` is given.
    """
    if weights is not None:
        raise EngineError(
            f"{engine} refuses the model: it has a weights file ({len(weights)} bytes), "
            "expected a format that contains its own; remove 'weights' from the artefact"
        )


def is_importable(module: str) -> bool:
    """Whether a module can be imported; checked without importing it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is absent
        return False


def _entry_points() -> EntryPoints:
    # Imported here: importlib.metadata costs as much as the rest of the runtime.
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def _entry_point(name: str) -> EntryPoint:
    for point in _entry_points():
        if point.name == name:
            return point
    raise unknown_engine(name)


def unknown_engine(name: str) -> EngineError:
    """Error for a name that no engine has; lists those that are installed, and the others."""
    there_are = "; ".join(
        f"{words} {', '.join(names)}" for words, names in _by_installation().items() if names
    )
    return EngineError(f"no engine is called {name!r}; {there_are}")


def _by_installation() -> dict[str, list[str]]:
    """Names of engines that users may choose, by whether they are installed."""
    listed: dict[str, list[str]] = {"there are": [], "and, not installed,": []}
    for name in engine_names():
        if name in ENGINES and ENGINES[name].is_double:
            continue
        try:
            is_installed = engine_class(name).is_installed()
        except EngineUnavailable:  # a plug-in that does not load
            is_installed = False
        listed["there are" if is_installed else "and, not installed,"].append(name)
    return listed


def _distribution(point: EntryPoint) -> str:
    """The distribution that registers a plug-in."""
    return point.name if point.dist is None else point.dist.name


def _load_plugin(point: EntryPoint) -> type[Engine]:
    package = _distribution(point)
    try:
        kind = cast("type[Engine]", point.load())
    except (ImportError, AttributeError, OSError) as error:
        reason = f"does not load ({first_line(error)})"
        raise EngineUnavailable(point.name, None, reason, package=package) from error
    lacking = [fact for fact in ("name", "formats", "extra") if not hasattr(kind, fact)]
    if lacking or kind.name != point.name:
        defect = f"has no {lacking[0]!r}" if lacking else f"is called {kind.name!r}"
        reason = f"does not load (its class {defect})"
        raise EngineUnavailable(point.name, None, reason, package=package)
    return kind
