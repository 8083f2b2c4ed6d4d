"""Agreement of a manifest with itself: names, references, examples, tolerances, preprocessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from edgecnn_runtime.bundle.groups_json import check_groups
from edgecnn_runtime.bundle.preprocess_json import check_fits
from edgecnn_runtime.bundle.training.references import check_training
from edgecnn_runtime.errors import GoldenInvalid, ManifestInvalid
from edgecnn_runtime.manifest import Artefact, Golden, Manifest
from edgecnn_runtime.tensor_spec import TensorSpec

# Each is run on every engine, on every example: edgecnn writes eight and eight.
MAX_EXAMPLES = 64
MAX_ARTEFACTS = 32
MAX_GOLDEN_BYTES = 256 << 20
# What was compiled for one target lies in a folder of its own.
COMPILED_FOLDERS = ("npu/", "mcu/")
# Kinds of proof for which an engine answered the golden examples.
_ANSWERED = frozenset({"exact", "measured", "simulated"})


def check_references(manifest: Manifest) -> None:
    """Check that every path is listed in `files`, every tensor is an input or output, and so on.

    Raises:
        ManifestInvalid, GoldenInvalid: a check fails.
    """
    if not manifest.inputs or not manifest.outputs or not manifest.artefacts:
        raise ManifestInvalid("manifest lists no input, no output or no artefact")
    _refuse_many("artefacts", len(manifest.artefacts), MAX_ARTEFACTS)
    for what, specs in (("inputs", manifest.inputs), ("outputs", manifest.outputs)):
        _refuse_twice(what, (spec.name for spec in specs))
    _refuse_twice("artefacts", (artefact.path for artefact in manifest.artefacts))
    references: dict[str, str] = {f"artefact {a.path!r}": a.path for a in manifest.artefacts}
    for artefact in manifest.artefacts:
        if artefact.weights is not None:
            subject = f"artefact {artefact.path!r}: weights {artefact.weights!r}"
            references[subject] = artefact.weights
        references |= _compiled_references(artefact)
        _check_encodings(manifest, artefact)
        _check_tolerances(manifest, artefact)
    if manifest.postprocess:
        references["postprocess.labels"] = manifest.postprocess.labels
        _check_classes(manifest)
    if manifest.preprocess:
        check_fits(manifest.preprocess, manifest.inputs[0])
    check_groups(manifest)
    golden = _golden_references("golden", manifest.golden, manifest)
    if manifest.outside:
        _golden_references("outside.examples", manifest.outside.examples, manifest)
    if manifest.training:
        references |= check_training(manifest, manifest.training)
    for reference, path in (references | golden).items():
        if path not in manifest.files:
            raise ManifestInvalid(f"{reference} is not among the manifest's files")
    for reference, path in golden.items():
        size = manifest.files[path].size
        if size > MAX_GOLDEN_BYTES:
            raise GoldenInvalid(
                f"{reference} has {size} bytes, at most {MAX_GOLDEN_BYTES} are read"
            )


def _compiled_references(artefact: Artefact) -> dict[str, str]:
    """Paths of a compiled artefact's report and companions; only such a one has any.

    A vendor's compiled file is opaque: its folder says so, and no engine opens it unasked.
    """
    own = (artefact.flags, artefact.on_cpu, artefact.report, artefact.companions)
    if artefact.target is None:
        if any(own):
            raise ManifestInvalid(
                f"artefact {artefact.path!r} lists a compiler's facts, but no target; compile it "
                "again"
            )
        return {}
    paths = (*artefact.paths, *([artefact.report] if artefact.report else []))
    if not all(path.startswith(COMPILED_FOLDERS) for path in paths):
        raise ManifestInvalid(
            f"artefact {artefact.path!r} is compiled for {artefact.target!r}, expected below "
            f"{' or '.join(COMPILED_FOLDERS)}"
        )
    return {f"artefact {artefact.path!r}: {path!r}": path for path in paths}


def _refuse_many(what: str, count: int, most: int) -> None:
    if count > most:
        raise ManifestInvalid(f"manifest lists {count} {what}, at most {most} are allowed")


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ManifestInvalid(f"{what} names {twice[0]!r} twice, expected each once")


def _golden_references(
    where: str, examples: tuple[Golden, ...], manifest: Manifest
) -> dict[str, str]:
    """Every path of the examples, by where it stands; each names all inputs and outputs."""
    _refuse_many(where, len(examples), MAX_EXAMPLES)
    references: dict[str, str] = {}
    for position, golden in enumerate(examples):
        if golden.image is not None:
            references[f"{where}[{position}].image"] = golden.image
        for kind, paths, specs in (
            ("inputs", golden.inputs, manifest.inputs),
            ("outputs", golden.outputs, manifest.outputs),
        ):
            place = f"{where}[{position}].{kind}"
            _check_tensors(place, paths, specs)
            references |= {f"{place}[{name!r}]": path for name, path in paths.items()}
    return references


def _check_encodings(manifest: Manifest, artefact: Artefact) -> None:
    float_names = {s.name for s in (*manifest.inputs, *manifest.outputs) if s.dtype == "float32"}
    for name in artefact.encodings:
        if name not in float_names:
            raise ManifestInvalid(
                f"artefact {artefact.path!r} has an encoding of {name!r}, which is no float32 "
                f"input or output of {manifest.name}"
            )


def _check_tolerances(manifest: Manifest, artefact: Artefact) -> None:
    """Check that only a quantised artefact lists the SQNR that it is held to, and of every output.

    A float one is held to the tolerance of its precision: with a tolerance of its own it would
    vouch for itself.
    """
    is_listed = bool(artefact.sqnr_db) or artefact.pooled_db is not None
    if artefact.precision != "int8":
        if is_listed or artefact.outside_db or artefact.is_weak:
            raise ManifestInvalid(
                f"artefact {artefact.path!r} is {artefact.precision} and lists an SQNR or weakness "
                "of its own, which only int8 may; export it again"
            )
        return
    if artefact.proof not in _ANSWERED or artefact.pooled_db is not None:
        return
    outputs = {spec.name for spec in manifest.outputs}
    for has_examples, listed in (
        (bool(manifest.golden), artefact.sqnr_db),
        (manifest.outside is not None, artefact.outside_db),
    ):
        if has_examples and set(listed) != outputs:
            raise ManifestInvalid(
                f"artefact {artefact.path!r} is int8 and lists the SQNR of {sorted(listed)}, "
                f"expected {sorted(outputs)}: without it nothing says how exact it has to be"
            )


def _check_classes(manifest: Manifest) -> None:
    """Check that labels are of one row of float scores for each image."""
    output = manifest.outputs[0]
    if len(output.shape) != 2 or output.shape[1] is None or "float" not in output.dtype:
        raise ManifestInvalid(
            f"postprocess names classes of the output {output}, expected float (batch, classes)"
        )


def _check_tensors(where: str, paths: Mapping[str, str], specs: tuple[TensorSpec, ...]) -> None:
    actual, expected = sorted(paths), sorted(spec.name for spec in specs)
    if actual != expected:
        raise ManifestInvalid(f"{where} names tensors {actual}, expected {expected}")
