"""The table of inference engines: names, formats, packages, environments, classes. Needs no numpy.

`ENGINES` is the one place that states these facts. An engine of another distribution is found by
the entry point group ``edgecnn.engines`` and states them in its class; `edgecnn_runtime.engines.
protocol.Engine` documents which. An engine's package is imported when a model is opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from edgecnn_runtime.errors import EngineError, EngineUnavailable, first_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from edgecnn_runtime.engines.protocol import Engine as Engine

ENTRY_POINTS = "edgecnn.engines"
MAIN = "main"
"""The environment of a board that packages share unless they conflict."""
REFERENCE = "onnxruntime"
"""The engine of the canonical form, ONNX: export and verify compare the others with it."""


@dataclass(frozen=True)
class EnginePackage:
    """A package of the package index that contains an engine.

    Attributes:
        name: its name for pip.
        module: its name for ``import``; empty where only its engine's class knows it.
        extra: the extra of edgecnn with the tested versions; None for a plug-in.
        environment: packages of one environment share an interpreter on a board.
    """

    name: str
    module: str = ""
    extra: str | None = None
    environment: str = MAIN


@dataclass(frozen=True)
class EngineEntry:
    """Facts of an engine that are known before it is imported.

    Attributes:
        formats: artefact formats that it opens.
        packages: any one of them contains it, in order of preference; empty if none is needed.
        implementation: ``module:attribute`` of its class.
        is_double: a test double, which is not offered to users.
    """

    name: str
    formats: frozenset[str]
    packages: tuple[EnginePackage, ...]
    implementation: str
    is_double: bool = False

    @property
    def extra(self) -> str | None:
        """The extra of edgecnn that installs it."""
        return self.packages[0].extra if self.packages else None

    @property
    def package_names(self) -> tuple[str, ...]:
        """Their names for pip."""
        return tuple(package.name for package in self.packages)


_TABLE = (
    EngineEntry(
        "onnxruntime",
        frozenset({"onnx"}),
        (EnginePackage("onnxruntime", "onnxruntime", "onnxruntime"),),
        "edgecnn_runtime.engines.onnxruntime:OnnxRuntimeEngine",
    ),
    EngineEntry(
        "openvino",
        frozenset({"openvino"}),
        (EnginePackage("openvino", "openvino", "openvino"),),
        "edgecnn_runtime.engines.openvino:OpenVINOEngine",
    ),
    EngineEntry(
        "tflite",
        frozenset({"tflite"}),
        (
            EnginePackage("ai-edge-litert", "ai_edge_litert", "litert"),
            # The last release was built against NumPy 1, so it gets an environment of its own.
            EnginePackage("tflite-runtime", "tflite_runtime", "tflite", "tflite-runtime"),
        ),
        "edgecnn_runtime.engines.tflite:TFLiteEngine",
    ),
    EngineEntry(
        "fake", frozenset({"fake"}), (), "edgecnn_runtime.engines.fake:FakeEngine", is_double=True
    ),
)
ENGINES: dict[str, EngineEntry] = {entry.name: entry for entry in _TABLE}
"""In order of preference, the test double last."""
PACKAGES: dict[str, EnginePackage] = {
    package.name: package for entry in _TABLE for package in entry.packages
}
"""The packages of `ENGINES`, by their name for pip."""


def engine_names() -> Iterator[str]:
    """Names of all known engines, in order of preference; the test double last.

    Entry points are looked up only when the iteration reaches them.
    """
    yield from (entry.name for entry in _TABLE if not entry.is_double)
    yield from (point.name for point in _entry_points() if point.name not in ENGINES)
    yield from (entry.name for entry in _TABLE if entry.is_double)


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
    if name not in ENGINES:
        return _load_plugin(_entry_point(name))
    module, attribute = ENGINES[name].implementation.split(":")
    return cast("type[Engine]", getattr(importlib.import_module(module), attribute))


def engine_packages() -> dict[str, str]:
    """Package → name of its engine, for built-in engines and all plug-ins that load."""
    packages = {package: entry.name for entry in _TABLE for package in entry.package_names}
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
    raise EngineError(f"no engine is called {name!r}; there are {', '.join(engine_names())}")


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


def __getattr__(name: str) -> object:
    """Lazy import of the protocol, which needs numpy."""
    if name not in {"Array", "Engine"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from edgecnn_runtime.engines import protocol

    value: object = getattr(protocol, name)
    globals()[name] = value
    return value
