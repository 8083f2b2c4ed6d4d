"""Profile of an artefact on an engine: where the time of a run goes, operator by operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import Adapted, adapt
from edgecnn_runtime.engines.engine_id import EngineId, engine_id
from edgecnn_runtime.measure.stages import PROFILERS, Stage, timed_stages
from edgecnn_runtime.parity.answers import find_artefact
from edgecnn_runtime.session import zero_feeds

WARMUPS = 5
SILENT = {
    "tflite": "LiteRT's Python package gives no times of operators",
    "tflite-reference": "LiteRT's Python package gives no times of operators",
}


@dataclass(frozen=True)
class Profile:
    """Where the time of a run goes.

    Attributes:
        artefact: its path in the bundle.
        engine: that ran it; without a version where it did not.
        threads: of the engine.
        runs: that the medians are of, after `WARMUPS` more.
        run_ms: the median of a whole run, with the profiler on.
        stages: in order of execution; empty where the engine does not tell.
        note: why there are none.
    """

    artefact: str
    engine: EngineId
    threads: int
    runs: int
    run_ms: float | None
    stages: tuple[Stage, ...]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def profile_from_json(values: Mapping[str, Any]) -> Profile:
    """The profile that `Profile.to_json` wrote."""
    stages = tuple(Stage(**one) for one in values["stages"])
    return Profile(**dict(values) | {"stages": stages, "engine": EngineId(**values["engine"])})


def profile_artefact(bundle: Bundle, path: str, engine: str, *, threads: int, runs: int) -> Profile:
    """Profile an artefact on its first golden example, or on zeros where there is none.

    Args:
        path: of the artefact.
        runs: at least 1.

    Raises:
        BundleError: the bundle has no such artefact.
        EngineUnavailable: the engine is not installed.
        EngineError: it refuses the model.
    """
    artefact = find_artefact(bundle, path)
    identity = engine_id(engine_class(engine))
    if engine not in PROFILERS:
        note = SILENT.get(engine, f"{engine} gives no times of operators")
        return Profile(path, identity, threads, runs, None, (), note)
    if engine == "native":
        threads = 1
    content = bundle.read_artefact(artefact)
    manifest = bundle.manifest
    feeds = bundle.golden(0).inputs if manifest.golden else zero_feeds(manifest)
    opened = engine_class(engine).open(content.model, weights=content.weights, threads=threads)
    try:
        model = adapt(opened, manifest, artefact)
        own = model.native(feeds) if isinstance(model, Adapted) else feeds
    finally:
        opened.close()
    with PROFILERS[engine](content.model, content.weights, own, threads) as profiled:
        stages, run_ms = timed_stages(profiled, WARMUPS, runs)
    return Profile(path, identity, threads, runs, run_ms, stages)
