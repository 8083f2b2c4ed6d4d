"""Tables of ``edgecnn bundle``: contents of a bundle and of a plain model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edgecnn.bundles.preprocess_words import preprocess_words
from edgecnn.console import table
from edgecnn.report.blocks import Block, Labelled
from edgecnn_runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from edgecnn.bundles.extract import Extracted
    from edgecnn.bundles.facts import ArtefactFacts, BundleFacts
    from edgecnn.bundles.model_file import ModelFile
    from edgecnn.bundles.provenance import LearntFacts, ProvenanceFacts
    from edgecnn.bundles.strip import Stripped
    from edgecnn.text_table import TextTable

# Operators that are named; the others are counted.
NAMED = 8
# Packages whose versions are shown; JSON has all.
SHOWN_VERSIONS = ("edgecnn", "torch", "onnx", "onnxruntime")
DIGITS = 12


def bundle_blocks(facts: BundleFacts) -> list[Block]:
    """A bundle: facts of the network, artefacts, preprocessing, origin."""
    blocks: list[Block] = [fact_lines(_network(facts)), "", _artefacts(facts.artefacts)]
    if compiled := [one for one in facts.artefacts if one.target]:
        blocks += ["", _compiled(compiled)]
    if facts.preprocess is not None:
        blocks += ["", "preprocessing", fact_lines(preprocess_words(facts.preprocess))]
    return [*blocks, "", fact_lines(_rest(facts))]


def model_blocks(path: str, model: ModelFile) -> list[Block]:
    """An ``.onnx`` or ``.tflite`` file: inputs, outputs, operators, weights."""
    lines = {
        "file": f"{path}, {megabytes(model.size_bytes)}",
        "format": model.format + "".join(f", {d} {v}" for d, v in model.opset.items()),
        "inputs": _specs(model.inputs),
        "outputs": _specs(model.outputs),
        "precision": f"{model.precision}, QDQ" if model.is_qdq else model.precision,
        "parameters": f"{model.parameters:,}, {megabytes(model.weights_bytes)}",
        "operators": _operators(model.operators),
    }
    for name, (scale, zero_point) in model.encodings.items():
        lines[f"8-bit {name}"] = f"real = {scale:.6g} × (integer - {zero_point})"
    if model.producer:
        lines["written by"] = model.producer
    if model.metadata:
        lines["metadata"] = ", ".join(f"{key} {text}" for key, text in model.metadata.items())
    return [
        fact_lines(lines),
        "",
        "A plain model file: it carries no golden answers, so nothing here is proven, and "
        "no labels or preprocessing that edgecnn reads.",
    ]


def extracted_blocks(extracted: Extracted) -> list[Block]:
    """Files that were extracted, and what to read first."""
    shown = table(("file", "size"), right=("size",))
    for name, size in extracted.files.items():
        shown.add_row(name, megabytes(size))
    total = megabytes(sum(extracted.files.values()))
    first = f"written: {extracted.folder}, {len(extracted.files)} files, {total}"
    return [shown, "", first, "README.txt says how each is fed and read"]


def stripped_blocks(stripped: Stripped) -> list[Block]:
    """Sizes, what was left out, and what can still be proven."""
    saved = stripped.parent_size_bytes - stripped.size_bytes
    left_out = list(stripped.left_out)
    if stripped.golden:
        left_out.append(f"{stripped.golden} golden examples ({megabytes(stripped.golden_bytes)})")
    lines = {
        "written": f"{stripped.output}, {megabytes(stripped.size_bytes)}",
        "smaller": f"by {megabytes(saved)}: it was {megabytes(stripped.parent_size_bytes)}",
        "removed": ", ".join(left_out) or "nothing",
        "kept": ", ".join(stripped.kept),
    }
    if stripped.is_verifiable:
        return [fact_lines(lines), "", "edgecnn verify compares its answers as before."]
    return [
        fact_lines(lines),
        "",
        "Without golden examples edgecnn verify checks its digests alone. Its answers are verified "
        "against the bundle that it came from: edgecnn verify BUNDLE --against "
        f"{stripped.output}",
    ]


def fact_lines(lines: Mapping[str, str]) -> Labelled:
    """Facts, one a line: label, value."""
    return Labelled(tuple(lines.items()), max(map(len, lines)) + 2)


def megabytes(size_bytes: int) -> str:
    """A size in MB, or in kB below 0.1 MB."""
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"


def _network(facts: BundleFacts) -> dict[str, str]:
    task = "" if facts.task is None else f", {facts.task}"
    largest = ", ".join(f"{path} {megabytes(size)}" for path, size in facts.largest.items())
    return {
        "bundle": f"{facts.bundle}, {megabytes(facts.size_bytes)}, {facts.files} files",
        "largest": largest,
        "network": f"{facts.name}{task}",
        "inputs": _specs(facts.inputs),
        "outputs": _specs(facts.outputs),
    }


def _artefacts(artefacts: Sequence[ArtefactFacts]) -> TextTable:
    shown = table(
        ("artefact", "precision", "size", "engine", "proof", "SQNR"),
        right=("size", "SQNR"),
        drop=("proof", "engine"),
    )
    for one in artefacts:
        if one.target is None:
            shown.add_row(
                _short_names(one),
                one.precision,
                megabytes(one.size_bytes),
                one.engine or "",
                f"{one.proof}, weak" if one.is_weak else one.proof,
                _decibels(one),
            )
    return shown


def _compiled(artefacts: Sequence[ArtefactFacts]) -> TextTable:
    shown = table(
        ("compiled for", "size", "proof", "SQNR", "file"),
        right=("size", "SQNR"),
        drop=("file",),
        below=("file",),
    )
    for one in artefacts:
        proof = f"{one.proof}, weak" if one.is_weak else one.proof
        size = megabytes(one.size_bytes)
        shown.add_row(one.target or "", size, proof, _decibels(one), one.path)
    return shown


def _short_names(one: ArtefactFacts) -> str:
    """The artefact's path, and the suffixes of its other files."""
    others = (PurePosixPath(path).suffix for path in one.files[1:])
    return " + ".join((one.path, *others))


def _decibels(one: ArtefactFacts) -> str:
    return "" if one.sqnr_db is None else f"{one.sqnr_db:.1f} dB"


def _rest(facts: BundleFacts) -> dict[str, str]:
    digests = (
        f"all {facts.files} equal the manifest's"
        if facts.are_digests_checked
        else f"listed for {facts.files} files, not computed here; edgecnn verify does"
    )
    return {
        "labels": _labels(facts),
        "golden": _golden(facts),
        **_learning(facts),
        **_origin(facts.provenance),
        "digests": f"{digests}; they show damage, not who made the file",
    }


def _labels(facts: BundleFacts) -> str:
    labels = facts.labels
    if labels is None:
        return "none"
    scores = "softmax of the output" if labels.is_softmax else "the output itself"
    return f"{labels.count}, {labels.first!r} to {labels.last!r}; scores: {scores}"


def _golden(facts: BundleFacts) -> str:
    golden = facts.golden
    if not golden.count and not golden.outside_count:
        return "none: nothing here can be verified (edgecnn bundle strip removes them)"
    text = f"{golden.count} examples, {golden.images} photographs, {megabytes(golden.size_bytes)}"
    if golden.outside_file is None:
        return text
    return f"{text}; {golden.outside_count} more in {golden.outside_file}"


def _learning(facts: BundleFacts) -> dict[str, str]:
    own = facts.learning
    if own is None:
        return {}
    classes = ", other classes too" if own.is_class_count_free else ""
    return {
        "learns": f"{own.numbers:,} numbers of {own.parameters} parameters by {own.optimiser}, "
        f"{own.loss}{classes}; {own.graph}, {own.backbone} backbone, {megabytes(own.size_bytes)}"
    }


def _origin(origin: ProvenanceFacts) -> dict[str, str]:
    lines: dict[str, str] = {}
    if origin.command is not None:
        lines["made by"] = origin.command
    if origin.parent_sha256 is not None:
        lines["stripped"] = f"from the bundle with sha256 {origin.parent_sha256[:DIGITS]}…"
    if origin.learnt:
        lines["learnt"] = _learnt(origin.learnt)
    if origin.source:
        lines["source"] = ", ".join(
            f"{key} {value[:DIGITS]}…" if key.endswith("sha256") else f"{key} {value}"
            for key, value in origin.source.items()
        )
    if origin.calibration is not None:
        lines["quantised"] = origin.calibration
    versions = [f"{n} {origin.versions[n]}" for n in SHOWN_VERSIONS if n in origin.versions]
    return lines | ({"versions": ", ".join(versions)} if versions else {})


def _learnt(learnt: Sequence[LearntFacts]) -> str:
    """The last learning on a device, and how many there were before it."""
    last, earlier = learnt[-1], len(learnt) - 1
    parts = [f"{last.steps:,} steps, in which {last.images:,} images were shown"]
    if last.after is not None and last.held_out:
        before = "" if last.before is None else f"{last.before:.2%} → "
        parts.append(f"{before}{last.after:.2%} of {last.held_out:,} held-out images right")
    if last.parent_sha256 is not None:
        parts.append(f"from the bundle with sha256 {last.parent_sha256[:DIGITS]}…")
    if earlier:
        parts.append(f"which learnt {earlier} time{'' if earlier == 1 else 's'} before")
    return ", ".join(parts)


def _operators(operators: Mapping[str, int]) -> str:
    listed = [f"{count} {name}" for name, count in operators.items()]
    more = len(listed) - NAMED
    shown = ", ".join(listed[:NAMED])
    return f"{shown} and {more} other types" if more > 0 else shown


def _specs(specs: Sequence[TensorSpec]) -> str:
    return "; ".join(map(str, specs))
