"""Strict parser of a manifest's JSON; unknown or invalid fields are errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from edgecnn_runtime.bundle.artefact_json import artefact_from_json, artefact_of_schema_1
from edgecnn_runtime.bundle.groups_json import check_groups, group_from_json
from edgecnn_runtime.bundle.json_fields import JsonFields, each, kind_of, number
from edgecnn_runtime.errors import ManifestInvalid, UnknownSchema
from edgecnn_runtime.manifest import (
    DTYPES,
    OLDER_SCHEMAS,
    SCHEMA,
    TASKS,
    Artefact,
    FileRecord,
    Golden,
    Manifest,
    OutsideGolden,
    Postprocess,
    Preprocess,
    Task,
    TensorSpec,
)


def manifest_from_json(document: object) -> Manifest:
    """Read a manifest strictly.

    Raises:
        UnknownSchema: the schema is absent or not `SCHEMA`.
        ManifestInvalid: a field is missing, unknown, of the wrong type or out of range.
    """
    if not isinstance(document, dict):
        raise ManifestInvalid(f"manifest is {kind_of(document)}, expected a JSON object")
    schema = document.get("schema")
    if schema not in (SCHEMA, *OLDER_SCHEMAS):
        raise UnknownSchema(
            f"bundle has schema {schema!r}, this runtime reads {SCHEMA!r}; "
            "export the model again, or update edgecnn"
        )
    top = JsonFields(document, "manifest")
    is_newest = top.take("schema", str) == SCHEMA
    manifest = Manifest(
        name=top.take("name", str),
        inputs=each(top.take("inputs", list), "inputs", _tensor_spec),
        outputs=each(top.take("outputs", list), "outputs", _tensor_spec),
        artefacts=each(
            top.take("artefacts", list),
            "artefacts",
            artefact_from_json if is_newest else artefact_of_schema_1,
        ),
        files={
            path: _file_record(value, f"files[{path!r}]")
            for path, value in top.take("files", dict).items()
        },
        preprocess=top.optional("preprocess", preprocess_from_json),
        postprocess=top.optional("postprocess", _postprocess),
        golden=each(top.take("golden", list), "golden", _golden),
        provenance=top.take("provenance", dict),
        schema=schema,
    )
    if is_newest:
        manifest = replace(
            manifest,
            groups={
                name: each(value, f"groups[{name!r}]", group_from_json)
                for name, value in top.take("groups", dict).items()
            },
            task=top.optional("task", _task),
            parameters=each(top.take("parameters", list), "parameters", _tensor_spec),
            outside=top.optional("outside", _outside),
        )
    top.finish()
    _check_references(manifest)
    return manifest


def _tensor_spec(value: object, where: str) -> TensorSpec:
    fields = JsonFields(value, where)
    spec = TensorSpec(
        name=fields.take("name", str),
        dtype=fields.choice("dtype", tuple(sorted(DTYPES))),
        shape=each(fields.take("shape", list), f"{where}.shape", _extent),
    )
    fields.finish()
    return spec


def _extent(value: object, where: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ManifestInvalid(f"{where} is {value!r}, expected a positive integer or null")


def _pixels(value: object, where: str) -> int:
    extent = _extent(value, where)
    if extent is None or extent > 1 << 16:
        raise ManifestInvalid(f"{where} is {value!r}, expected 1 to 65536 pixels")
    return extent


def _height_width(value: object, where: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ManifestInvalid(f"{where} is {value!r}, expected [height, width]")
    return _pixels(value[0], where), _pixels(value[1], where)


def _resize(value: object, where: str) -> int | tuple[int, int]:
    return _height_width(value, where) if isinstance(value, list) else _pixels(value, where)


def _channel_values(values: list[object], where: str) -> tuple[float, ...]:
    return each(values, where, number)


def preprocess_from_json(value: object, where: str) -> Preprocess:
    """Read a preprocessing strictly; `where` names it in errors.

    Raises:
        ManifestInvalid: a field is missing, unknown, of the wrong type or out of range.
    """
    fields = JsonFields(value, where)
    preprocess = Preprocess(
        colour=fields.choice("colour", ("RGB", "BGR", "L")),
        resize=fields.optional("resize", _resize),
        filter=fields.choice("filter", ("bilinear", "bicubic")),
        crop=fields.optional("crop", _height_width),
        scale=fields.number("scale"),
        mean=_channel_values(fields.take("mean", list), f"{where}.mean"),
        std=_channel_values(fields.take("std", list), f"{where}.std"),
        layout=fields.choice("layout", ("NCHW", "NHWC")),
    )
    fields.finish()
    channels = 1 if preprocess.colour == "L" else 3
    for name, values in (("mean", preprocess.mean), ("std", preprocess.std)):
        if len(values) != channels:
            raise ManifestInvalid(f"{where}.{name} has {len(values)} values, expected {channels}")
    if 0 in preprocess.std:
        raise ManifestInvalid(f"{where}.std holds 0, expected values other than 0")
    return preprocess


def _postprocess(value: object, where: str) -> Postprocess:
    fields = JsonFields(value, where)
    postprocess = Postprocess(fields.take("softmax", bool), fields.take("labels", str))
    fields.finish()
    return postprocess


def _task(value: object, where: str) -> Task:
    if value in TASKS:
        return value
    raise ManifestInvalid(f"{where} is {value!r}, expected one of {', '.join(TASKS)}, or null")


def _outside(value: object, where: str) -> OutsideGolden:
    fields = JsonFields(value, where)
    outside = OutsideGolden(
        file=fields.take("file", str),
        record=_file_record(fields.take("record", dict), f"{where}.record"),
        examples=each(fields.take("examples", list), f"{where}.examples", _golden),
    )
    fields.finish()
    if not re.fullmatch(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*", outside.file):
        raise ManifestInvalid(f"{where}.file is {outside.file!r}, expected a plain file name")
    return outside


def _paths(value: dict[object, object], where: str) -> dict[str, str]:
    if not all(isinstance(path, str) for path in value.values()):
        raise ManifestInvalid(f"{where} is {value!r}, expected tensor name → path")
    return {str(name): str(path) for name, path in value.items()}


def _golden(value: object, where: str) -> Golden:
    fields = JsonFields(value, where)
    golden = Golden(
        inputs=_paths(fields.take("inputs", dict), f"{where}.inputs"),
        outputs=_paths(fields.take("outputs", dict), f"{where}.outputs"),
        image=fields.take("image", str, type(None)),
    )
    fields.finish()
    return golden


def _file_record(value: object, where: str) -> FileRecord:
    fields = JsonFields(value, where)
    record = FileRecord(fields.take("size", int), fields.take("sha256", str))
    fields.finish()
    if record.size < 0 or not re.fullmatch("[0-9a-f]{64}", record.sha256):
        raise ManifestInvalid(f"{where} is {value!r}, expected a size and a sha256 in hex")
    return record


def _check_references(manifest: Manifest) -> None:
    """Check that every path is listed in `files` and every tensor is an input or output."""
    if not manifest.inputs or not manifest.outputs or not manifest.artefacts:
        raise ManifestInvalid("manifest lists no input, no output or no artefact")
    references: dict[str, str] = {f"artefact {a.path!r}": a.path for a in manifest.artefacts}
    for artefact in manifest.artefacts:
        if artefact.weights is not None:
            subject = f"artefact {artefact.path!r}: weights {artefact.weights!r}"
            references[subject] = artefact.weights
        _check_encodings(manifest, artefact)
    if manifest.postprocess:
        references["postprocess.labels"] = manifest.postprocess.labels
    check_groups(manifest)
    references |= _golden_references("golden", manifest.golden, manifest)
    if manifest.outside:
        _golden_references("outside.examples", manifest.outside.examples, manifest)
    for reference, path in references.items():
        if path not in manifest.files:
            raise ManifestInvalid(f"{reference} is not among the manifest's files")


def _golden_references(
    where: str, examples: tuple[Golden, ...], manifest: Manifest
) -> dict[str, str]:
    """Every path of the examples, by where it stands; each names all inputs and outputs."""
    references: dict[str, str] = {}
    for position, golden in enumerate(examples):
        if golden.image:
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


def _check_tensors(where: str, paths: Mapping[str, str], specs: tuple[TensorSpec, ...]) -> None:
    actual, expected = sorted(paths), sorted(spec.name for spec in specs)
    if actual != expected:
        raise ManifestInvalid(f"{where} names tensors {actual}, expected {expected}")
