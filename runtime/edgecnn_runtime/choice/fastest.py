"""Choice of the fastest artefact and engine of a bundle on this machine."""

from __future__ import annotations

from edgecnn_runtime.choice.kept import kept_latencies
from edgecnn_runtime.choice.latencies import KnownLatency, latencies_from_json
from edgecnn_runtime.choice.packages import installed_version, is_present
from edgecnn_runtime.choice.rank import Candidate, Choice, rank
from edgecnn_runtime.engines.choose import choose, fitting_artefacts
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.host.processor import this_processor
from edgecnn_runtime.manifest import Manifest

IN_BUNDLE = "measured"
"""Field of a bundle's provenance with the rows of benches on other machines."""


def fastest(
    manifest: Manifest,
    engine: str | None = None,
    precision: str | None = None,
    artefact: str | None = None,
    threads: int | None = None,
) -> Choice:
    """The artefacts and engines that are there, the fastest on this machine first.

    Of engines of other distributions, and of the test double, the first is taken, and only if none
    of `ENGINES` is there or it is named. No engine is imported.

    Raises:
        EngineUnavailable: engines for it exist, but none is installed.
        EngineError: no artefact has that precision, no engine runs it, or all answered wrongly.
    """
    candidates = _candidates(manifest, engine, precision, artefact)
    is_named = engine is not None or artefact is not None
    if len(candidates) == 1 and is_named:
        return rank(candidates, this_processor(), threads=threads, is_named=True)
    processor = this_processor()
    kept = kept_latencies(one.sha256 for one in candidates)
    here = [row for row in kept if row.is_of(processor) and _is_installed(row)]
    told = latencies_from_json(manifest.provenance.get(IN_BUNDLE))
    elsewhere = [row for row in told if row.is_of(processor)]
    return rank(
        candidates, processor, here=here, elsewhere=elsewhere, threads=threads, is_named=is_named
    )


def _candidates(
    manifest: Manifest, engine: str | None, precision: str | None, artefact: str | None
) -> list[Candidate]:
    entries = [
        entry
        for entry in ENGINES.values()
        if not entry.is_double and engine in (None, entry.name) and is_present(entry)
    ]
    found = [
        Candidate(one, manifest.files[one.path].sha256, entry.name)
        for one in fitting_artefacts(manifest, precision, artefact)
        for entry in entries
        if one.format in entry.formats
    ]
    if found:
        return found
    one, kind = choose(manifest, engine, precision, artefact)
    return [Candidate(one, manifest.files[one.path].sha256, kind.name)]


def _is_installed(row: KnownLatency) -> bool:
    """Whether the engine is installed in the version that was measured."""
    entry = ENGINES.get(row.engine)
    return entry is not None and row.package == installed_version(entry)
