"""Comparison of an outside model file, or of another bundle, with a bundle's golden answers.

The outside artefacts are packed with the golden examples of the bundle into a temporary one, whose
inputs and outputs have the names that the outside network gives them. It is verified as any bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.bundles.matching import Matched, match
from edgecnn.bundles.members import artefact_files, golden_files
from edgecnn.bundles.plain import artefact_name
from edgecnn.bundles.read_model import is_model_file, read_model_file
from edgecnn.errors import FileUnusable
from edgecnn_exporters.scratch import scratch_folder
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact, ChannelGroup, Golden, Manifest
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.tolerances import FLOOR_DB, LEAST_RESPONSE_DB
from edgecnn_runtime.parity.verify import verify
from edgecnn_runtime.progress import Progress, no_progress

# Agreement of classes below which two networks have nothing in common.
UNLIKE_TOP1 = 0.5
WHOLE = ChannelGroup(axis=None, channels=((0, 1),), low=0.0, high=0.0)
"""An output as one group; its range is not known."""


@dataclass(frozen=True)
class _Outside:
    """Artefacts of an outside file or bundle, with their files and the names of their ends."""

    artefacts: tuple[Artefact, ...]
    files: Mapping[str, bytes]
    matched: Matched


def compare_with(
    bundle: Bundle,
    other: Path,
    engines: tuple[str, ...] | None = None,
    progress: Progress = no_progress,
) -> list[Parity]:
    """A row for each outside artefact on each engine, against the bundle's golden answers.

    A float artefact is held to the tolerance of its precision. One of 8 bits is held to the SQNR
    that the bundle lists of the same bytes, and to the floor of 8 bits where it does not have them.

    Args:
        other: a bundle, or an ``.onnx`` or ``.tflite`` file.
        engines: names; None for all that open a format.

    Raises:
        BundleError: one of the two cannot be trusted.
        FileUnusable: the other reads or answers something else, or this bundle has no examples.
    """
    if not bundle.manifest.golden:
        raise FileUnusable(
            f"{bundle.path} has no golden examples to compare {other} with; take the bundle that "
            "it was stripped from"
        )
    outside = _read(bundle.manifest, bundle.path, other, bundle.budget)
    with scratch_folder() as folder:
        path = folder / other.name
        manifest = _manifest(bundle.manifest, outside)
        golden = {name: bundle.read(name) for name in golden_files(bundle.manifest)}
        write_bundle(path, manifest, {**outside.files, **golden})
        with Bundle(path, bundle.budget) as made:
            rows = verify(made, engines, isolated=True, progress=progress)
    return [
        replace(row, note=row.note.replace(str(path), str(other)))
        for row in rows
        if row.engine is not None
    ]


def why_unlike(bundle: str, other: str, rows: Sequence[Parity]) -> str | None:
    """What it means that no answer of any row resembles the bundle's; None where one does."""
    compared = [row.difference for row in rows if row.difference is not None]
    if not compared or any(
        each.sqnr_db >= LEAST_RESPONSE_DB or each.top1_agreement >= UNLIKE_TOP1 for each in compared
    ):
        return None
    best = max(each.sqnr_db for each in compared)
    return (
        f"{other} answers nothing like {bundle} (SQNR {best:.0f} dB): it is another network, has "
        "other weights, or expects inputs prepared in another way"
    )


def _read(ours: Manifest, bundle: str, other: Path, budget: Budget) -> _Outside:
    if is_model_file(other):
        model, content = read_model_file(other, budget)
        matched = match(ours, model, bundle, str(other))
        path = artefact_name(other)
        artefact = Artefact(
            path,
            model.format,
            model.precision,
            layout=matched.layout,
            encodings=matched.encodings,
        )
        return _Outside((artefact,), {path: content}, matched)
    with Bundle(other, budget) as opened:
        opened.check()
        theirs = opened.manifest
        artefacts = tuple(one for one in theirs.artefacts if one.target is None)
        if not artefacts:
            raise FileUnusable(
                f"{other} holds only what was compiled for a target, which no engine here runs"
            )
        matched = match(ours, theirs, bundle, str(other))
        files = {path: opened.read(path) for one in artefacts for path in artefact_files(one)}
    ordered = tuple(replace(one, layout=one.layout or matched.layout) for one in artefacts)
    return _Outside(ordered, files, matched)


def _manifest(ours: Manifest, outside: _Outside) -> Manifest:
    """The manifest of the temporary bundle: their artefacts and names, our examples and groups."""
    names = outside.matched.names
    return Manifest(
        name=ours.name,
        inputs=outside.matched.inputs,
        outputs=outside.matched.outputs,
        artefacts=tuple(_expected(ours, one, outside) for one in outside.artefacts),
        files={},
        golden=tuple(_renamed(golden, names) for golden in ours.golden),
        groups={names[spec.name]: _groups(ours, spec.name) for spec in ours.outputs},
    )


def _renamed(golden: Golden, names: Mapping[str, str]) -> Golden:
    return Golden(
        {names[name]: path for name, path in golden.inputs.items()},
        {names[name]: path for name, path in golden.outputs.items()},
        golden.image,
    )


def _expected(ours: Manifest, artefact: Artefact, outside: _Outside) -> Artefact:
    """Their artefact with the limit that its answers are judged by, never one of its own."""
    judged = replace(
        artefact,
        proof="measured",
        graph=None,
        sqnr_db={},
        outside_db={},
        pooled_db=None,
        is_weak=False,
    )
    if artefact.precision != "int8":
        return judged
    digest = hashlib.sha256(outside.files[artefact.path]).hexdigest()
    for same in _with_bytes(ours, digest):
        if same.sqnr_db:
            names = outside.matched.names
            listed = {names[output]: groups for output, groups in same.sqnr_db.items()}
            return replace(judged, sqnr_db=listed, is_weak=same.is_weak)
    floor = {
        outside.matched.names[spec.name]: (FLOOR_DB,) * len(_groups(ours, spec.name))
        for spec in ours.outputs
    }
    return replace(judged, sqnr_db=floor)


def _groups(ours: Manifest, output: str) -> tuple[ChannelGroup, ...]:
    """Groups of an output's channels; one of all where the bundle, as of schema 1, has none."""
    return ours.groups.get(output) or (WHOLE,)


def _with_bytes(ours: Manifest, digest: str) -> Iterator[Artefact]:
    for one in ours.artefacts:
        if one.precision == "int8" and ours.files[one.path].sha256 == digest:
            yield one
