"""Stripping of a bundle for production: without golden examples and without unwanted artefacts."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.bundles.members import STRIPPED, artefact_files, golden_files, training_files
from edgecnn.bundles.output import behind_link, other_file_words
from edgecnn.bundles.training_graph import graph_paths, keep_trainable
from edgecnn.errors import OptionsRefused, StripRefused
from edgecnn_exporters.compile.unchanged import identity_of, unchanged
from edgecnn_runtime.atomic import check_writable
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import BundleError
from edgecnn_runtime.manifest import SCHEMA, Artefact, Manifest
from edgecnn_runtime.parity.contents import GOLDEN_LABELS

# Names that are listed in one message.
_NAMED = 5
# By the engine too: export calls a plan's target native.
_FORMATS = {entry.name: next(iter(entry.formats)) for entry in ENGINES.values()}


@dataclass(frozen=True)
class StripOptions:
    """Options of a strip. An artefact stays where it fits all that is stated.

    Attributes:
        keep: artefacts to keep, by a path of their files or a compile target, and the training
            graph by its path; empty for all.
        precisions: to keep; empty for all.
        targets: formats (``tflite``) or compile targets to keep; empty for all.
        keep_golden: the golden examples stay, and the golden step of the training graph.
        force: replace an output that holds golden examples.
    """

    keep: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    keep_golden: bool = False
    force: bool = False


@dataclass(frozen=True)
class Stripped:
    """What was left out of a bundle.

    Attributes:
        bundle: the one that was read.
        output: the bundle that was written.
        parent_sha256: of the bundle that was read.
        size_bytes, parent_size_bytes: of the two files.
        kept: paths of the artefacts, the training graph and its golden step in the output.
        left_out: paths of those that are not.
        golden: number of golden examples that were left out.
        golden_bytes: bytes of their files.
        is_verifiable: golden examples are in the output.
    """

    bundle: str
    output: str
    parent_sha256: str
    size_bytes: int
    parent_size_bytes: int
    kept: tuple[str, ...]
    left_out: tuple[str, ...]
    golden: int
    golden_bytes: int
    is_verifiable: bool


def strip(
    bundle_path: Path, output: Path | None, options: StripOptions, budget: Budget | None = None
) -> Stripped:
    """Write a bundle with less in it; labels and preprocessing always stay.

    Whoever has the old file open keeps reading it: the new one takes its name when it is whole. The
    same bundle and options give the same bytes.

    Args:
        output: None replaces the bundle itself.

    Raises:
        OptionsRefused: `output` is the bundle itself, perhaps by another name.
        BundleError: the bundle cannot be trusted.
        StripRefused: no artefact would be left, one that is named is not there, or the output has
            the suffix of another file.
        OutputNotWritable: the output cannot be written, or the bundle changed meanwhile.
    """
    typed = str(bundle_path), str(output or bundle_path)
    _refuse_itself(bundle_path, output)
    bundle_path, output = (behind_link(Path(each)) for each in typed)
    check_writable(output)
    if os.path.realpath(output) != os.path.realpath(bundle_path):
        if words := other_file_words(output, "a strip"):
            raise StripRefused(words)
        if not options.force:
            _refuse_richer(output)
    identity = identity_of(bundle_path)
    with Bundle(bundle_path, budget) as bundle:
        parent_size, parent_sha256 = _digest(bundle_path)
        kept = _kept(bundle, options)
        manifest, files = _contents(bundle, kept, options, parent_sha256)
        with unchanged(bundle_path, identity, output):
            write_bundle(output, manifest, files)
        before = bundle.manifest
    sizes = [before.files[path].size for path in golden_files(before)]
    is_golden_left_out = not options.keep_golden
    paths = {one.path for one in kept}
    return Stripped(
        bundle=typed[0],
        output=typed[1],
        parent_sha256=parent_sha256,
        size_bytes=output.stat().st_size,
        parent_size_bytes=parent_size,
        kept=(*(one.path for one in kept), *graph_paths(manifest)),
        left_out=(
            *(one.path for one in before.artefacts if one.path not in paths),
            *(path for path in graph_paths(before) if path not in graph_paths(manifest)),
        ),
        golden=len(before.golden) if is_golden_left_out else 0,
        golden_bytes=sum(sizes) if is_golden_left_out else 0,
        is_verifiable=bool(manifest.golden),
    )


def _kept(bundle: Bundle, options: StripOptions) -> tuple[Artefact, ...]:
    """The artefacts that stay.

    Raises:
        StripRefused: there is none, or a name fits none.
    """
    artefacts = bundle.manifest.artefacts
    targets = [_FORMATS.get(name, name) for name in options.targets]
    for what, wanted, of in (
        ("artefact", options.keep, _names),
        ("precision", options.precisions, lambda one: {one.precision}),
        ("target", targets, lambda one: {one.target or one.format}),
    ):
        there = dict.fromkeys(name for one in artefacts for name in sorted(of(one)))
        training = bundle.manifest.training
        if training is not None and of is _names:
            there[training.graph] = None
        if missing := [name for name in wanted if name not in there]:
            listing = ", ".join(list(there)[:_NAMED]) + (", …" if len(there) > _NAMED else "")
            raise StripRefused(
                f"{bundle.path} has no {what} {missing[0]}; it has {listing}; "
                f"edgecnn bundle show {bundle.path} shows all"
            )
    kept = tuple(
        one
        for one in artefacts
        if (not options.keep or _names(one) & set(options.keep))
        and (not options.precisions or one.precision in options.precisions)
        and (not options.targets or (one.target or one.format) in targets)
    )
    if not kept:
        raise StripRefused(
            f"no artefact of {bundle.path} fits --keep, --precision and --target at once, and a "
            f"bundle needs one; edgecnn bundle show {bundle.path} shows all"
        )
    return kept


def _names(artefact: Artefact) -> set[str]:
    target = set() if artefact.target is None else {artefact.target}
    return {*artefact_files(artefact)} | target


def _contents(
    bundle: Bundle, kept: tuple[Artefact, ...], options: StripOptions, parent_sha256: str
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, without its file records, and the files that stay."""
    before = bundle.manifest
    if options.keep_golden and before.schema != SCHEMA:
        raise StripRefused(
            f"{bundle.path} is of schema {before.schema}, whose golden answers are judged in "
            "another way; export it again, or strip them too"
        )
    manifest = replace(before, artefacts=kept, files={})
    if not options.keep_golden:
        manifest = replace(manifest, golden=(), outside=None)
    manifest = keep_trainable(manifest, options.keep, keep_golden=options.keep_golden)
    stays = {path for one in kept for path in artefact_files(one)} | {*golden_files(manifest)}
    if before.postprocess is not None:
        stays.add(before.postprocess.labels)
    goes = {path for one in before.artefacts for path in artefact_files(one)}
    goes |= {*golden_files(before)}
    if before.training is not None:
        goes |= {*training_files(before.training)}
    if manifest.training is not None:
        stays |= {*training_files(manifest.training)}
    names = [path for path in before.files if path in stays or path not in goes]
    left_out = sorted(path for path in before.files if path not in names)
    manifest = replace(manifest, provenance=_provenance(manifest, left_out, parent_sha256))
    return manifest, {path: bundle.read(path) for path in names}


def _provenance(manifest: Manifest, left_out: list[str], parent_sha256: str) -> dict[str, Any]:
    provenance = dict(manifest.provenance)
    if not manifest.golden:
        provenance.pop(GOLDEN_LABELS, None)
    earlier = provenance.get(STRIPPED)
    # Bundles are open to other writers: what is no list is replaced.
    entries = earlier if isinstance(earlier, list) else []
    provenance[STRIPPED] = [*entries, {"parent_sha256": parent_sha256, "left_out": left_out}]
    return provenance


def _refuse_itself(bundle_path: Path, output: Path | None) -> None:
    if output is None or not (output.exists() and bundle_path.exists()):
        return
    if output.samefile(bundle_path):
        raise OptionsRefused(f"{output} is the bundle itself; to replace it, say --in-place")


def _refuse_richer(output: Path) -> None:
    """Refuse to replace a bundle that can be verified by one that perhaps cannot.

    Raises:
        StripRefused: it is one.
    """
    try:
        with Bundle(output) as there:
            count = len(there.manifest.golden)
    except BundleError:
        return
    if count:
        raise StripRefused(
            f"{output} is a bundle with {count} golden examples, which would be lost; name another "
            "file with -o, or replace it with --force"
        )


def _digest(path: Path) -> tuple[int, str]:
    """Size in bytes and sha256 of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
        return stream.tell(), digest.hexdigest()
