"""A bundle with fp32 for ONNX Runtime and int8 for native, and latencies of its artefacts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import native_plans
from conftest import contents, onnx_model

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.choice.latencies import KnownLatency
from edgecnn_runtime.choice.packages import installed_version
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.host.processor import this_processor
from edgecnn_runtime.manifest import Artefact, ChannelGroup, Manifest

PLAN = "model.int8.plan"
ENGINE_OF = {"model.onnx": "onnxruntime", PLAN: "native"}


def write_both(
    path: Path, plan: bytes | None = None, *, measured: object = None, is_weak: bool = False
) -> Path:
    """The bundle; `measured` is what it says of benches."""
    manifest, files = contents("onnx", onnx_model())
    int8 = Artefact(PLAN, "plan", "int8", sqnr_db={"logits": (30.0,)}, is_weak=is_weak)
    provenance = {} if measured is None else {"measured": measured}
    groups = {"logits": (ChannelGroup(1, ((0, 3),), 1.0, 3.0),)}
    artefacts = (*manifest.artefacts, int8)
    both = replace(manifest, artefacts=artefacts, groups=groups, provenance=provenance)
    plan = native_plans.brightest_plan() if plan is None else plan
    write_bundle(path, both, files | {PLAN: plan})
    return path


def latency(
    path: Path,
    artefact: str,
    median_ms: float | None,
    *,
    verdict: str = "equal",
    threads: int = 1,
    **others: object,
) -> KnownLatency:
    """A row of a bench of this machine, for an artefact of the bundle."""
    engine = ENGINE_OF[artefact]
    processor = this_processor()
    row = KnownLatency(
        sha256=manifest_of(path).files[artefact].sha256,
        engine=engine,
        package=installed_version(ENGINES[engine]),
        threads=threads,
        verdict=verdict,
        median_ms=median_ms,
        processor=processor.name or "",
        features=processor.features,
        on="2026-11-30",
    )
    return row._replace(**others)


def manifest_of(path: Path) -> Manifest:
    with Bundle(path) as bundle:
        return bundle.manifest
