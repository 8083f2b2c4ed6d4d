"""Artefacts of a bundle, and engines that run them: all that fit, and the first."""

from __future__ import annotations

from edgecnn_runtime.engines import engine_class, engine_names, unknown_engine
from edgecnn_runtime.engines.protocol import Engine
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import EngineError, EngineUnavailable
from edgecnn_runtime.manifest import Artefact, Manifest


def fitting_artefacts(
    manifest: Manifest, precision: str | None = None, artefact: str | None = None
) -> list[Artefact]:
    """The artefacts of a precision and a path, in the bundle's order.

    One that was compiled for a target is taken only if it is named.

    Raises:
        EngineError: there is none.
    """
    artefacts = [
        one
        for one in manifest.artefacts
        if precision in (None, one.precision)
        and (one.path == artefact if artefact or one.target else True)
    ]
    if not artefacts:
        wanted = " ".join(word for word in (precision, artefact, "artefact") if word)
        listing = ", ".join(f"{one.path} ({one.precision})" for one in manifest.artefacts)
        raise EngineError(f"{manifest.name} has no {wanted}; it has {listing}")
    return artefacts


def choose(
    manifest: Manifest,
    engine: str | None = None,
    precision: str | None = None,
    artefact: str | None = None,
) -> tuple[Artefact, type[Engine]]:
    """The first artefact, in the bundle's order, that an installed engine runs.

    Raises:
        EngineUnavailable: engines for it exist, but none is installed.
        EngineError: no artefact has that precision, or no engine runs it.
    """
    artefacts = fitting_artefacts(manifest, precision, artefact)
    missing: type[Engine] | None = None
    for one in artefacts:
        for kind in map(engine_class, engine_names() if engine is None else (engine,)):
            if one.format not in kind.formats:
                continue
            if kind.is_installed():
                return one, kind
            missing = missing or kind
    if missing:
        raise EngineUnavailable(missing.name, missing.extra)
    if engine in ENGINES and ENGINES[engine].is_double:
        raise unknown_engine(engine)
    formats = ", ".join(sorted({a.format for a in artefacts}))
    subject = "no engine runs" if engine is None else f"engine {engine!r} does not run"
    step = _next_step(manifest, engine)
    raise EngineError(f"{subject} the formats of {manifest.name}: {formats}{step}")


def _next_step(manifest: Manifest, engine: str | None) -> str:
    """What else of the bundle the engine runs, or how a bundle gets it."""
    if engine not in ENGINES:
        return ""
    entry = ENGINES[engine]
    others = [
        f"{one.path} ({one.precision})"
        for one in manifest.artefacts
        if one.format in entry.formats and not one.target
    ]
    if others:
        return f"; it runs {', '.join(others)}"
    command = f"edgecnn export … {entry.export_flags}".rstrip()
    return f"; {command} adds {', '.join(sorted(entry.formats))}"
