"""Contents of a bundle with compiled artefacts: entries, reports, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgecnn_exporters.compile.network import graph_digest
from edgecnn_exporters.targets import ANSWERED
from edgecnn_exporters.targets.compilers import Compiled, Proof
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.archive import list_members, open_archive, read_member
from edgecnn_runtime.bundle.write import Contents
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.tolerances import listed_db


@dataclass(frozen=True)
class TargetResult:
    """A compiled target: its profile, artefact, proof."""

    profile: TargetProfile
    compiled: Compiled
    proof: Proof

    @property
    def size_bytes(self) -> int:
        """Bytes of the artefact's files."""
        return sum(map(len, self.compiled.files.values()))


def compiled_contents(
    bundle: Bundle, results: Sequence[TargetResult], *, is_weak: bool
) -> Contents:
    """The bundle's contents with the new artefacts, which replace those of the same targets.

    Args:
        is_weak: the network with 8-bit results loses more than it should.
    """
    manifest = bundle.manifest
    targets = {result.profile.name for result in results}
    kept = [each for each in manifest.artefacts if each.target not in targets]
    dropped = {
        path
        for each in manifest.artefacts
        if each.target in targets
        for path in (*each.paths, *([each.report] if each.report else []))
    }
    files = {path: bundle.read(path) for path in manifest.files if path not in dropped}
    graph = graph_digest(bundle)
    entries = [_entry(result, graph, is_weak) for result in results]
    for result, entry in zip(results, entries, strict=True):
        files |= result.compiled.files
        assert entry.report is not None
        files[entry.report] = _json(result.compiled.report)
    provenance = dict(manifest.provenance)
    before = provenance.get("compiled")
    # Bundles are open to other writers: what is no object is replaced.
    others = before if isinstance(before, dict) else {}
    provenance["compiled"] = {**others, **_provenance(results)}
    changed = replace(manifest, artefacts=(*kept, *entries), files={}, provenance=provenance)
    return Contents(changed, files, _outside(bundle))


def _entry(result: TargetResult, graph: str, is_weak: bool) -> Artefact:
    """The artefact's entry, with what was measured of its answers where the proof computed any.

    Args:
        is_weak: so is the network with 8-bit results.
    """
    compiled, difference = result.compiled, result.proof.difference
    counts: dict[str, int] = {}
    for each in compiled.on_cpu:
        counts[each.operator] = counts.get(each.operator, 0) + 1
    artefact = replace(compiled.artefact, target=result.profile.name, graph=graph, on_cpu=counts)
    if artefact.proof in ANSWERED:
        if difference is None:
            # Not proven here, though another machine could.
            return replace(artefact, proof="compiled only")
        artefact = replace(artefact, proof=result.proof.kind, sqnr_db=listed_db(difference))
        is_weak = is_weak or result.proof.verdict == "differs"
        artefact = replace(artefact, is_weak=is_weak)
    return artefact


def _provenance(results: Sequence[TargetResult]) -> dict[str, Any]:
    return {
        result.profile.name: {
            "compiler": result.compiled.artefact.compiler,
            "prover": result.proof.prover,
            "proof": result.proof.note,
            "profile": result.profile.source,
        }
        for result in results
    }


def _outside(bundle: Bundle) -> dict[str, bytes]:
    """The files of the golden examples beside the bundle."""
    outside = bundle.outside()
    if outside is None:
        return {}
    with open_archive(outside.path) as archive:
        members = list_members(archive)
        return {
            name: read_member(archive, member, member.file_size) for name, member in members.items()
        }


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()
