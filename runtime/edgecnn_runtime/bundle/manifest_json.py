"""Strict parser of a manifest's JSON; unknown or invalid fields are errors."""

from __future__ import annotations

import re
from dataclasses import replace

from edgecnn_runtime.bundle.artefact_json import artefact_from_json, artefact_of_schema_1
from edgecnn_runtime.bundle.groups_json import group_from_json
from edgecnn_runtime.bundle.json_fields import JsonFields, each, kind_of, shown
from edgecnn_runtime.bundle.preprocess_json import preprocess_from_json
from edgecnn_runtime.bundle.references import check_references
from edgecnn_runtime.bundle.tensor_json import parameter_from_json, tensor_from_json
from edgecnn_runtime.bundle.training.training_json import training_from_json
from edgecnn_runtime.errors import ManifestInvalid, UnknownSchema
from edgecnn_runtime.manifest import (
    OLDER_SCHEMAS,
    SCHEMA,
    TASKS,
    FileRecord,
    Golden,
    Manifest,
    OutsideGolden,
    Postprocess,
    Task,
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
            f"bundle has schema {shown(schema)}, this runtime reads {SCHEMA!r}; "
            "export the model again, or update edgecnn"
        )
    top = JsonFields(document, "manifest")
    is_newest = top.take("schema", str) == SCHEMA
    manifest = Manifest(
        name=top.take("name", str),
        inputs=each(top.take("inputs", list), "inputs", tensor_from_json),
        outputs=each(top.take("outputs", list), "outputs", tensor_from_json),
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
            parameters=each(top.take("parameters", list), "parameters", parameter_from_json),
            outside=top.optional("outside", _outside),
            training=top.optional("training", training_from_json),
        )
    top.finish()
    check_references(manifest)
    return manifest


def _postprocess(value: object, where: str) -> Postprocess:
    fields = JsonFields(value, where)
    postprocess = Postprocess(fields.take("softmax", bool), fields.take("labels", str))
    fields.finish()
    return postprocess


def _task(value: object, where: str) -> Task:
    if value in TASKS:
        return value
    raise ManifestInvalid(f"{where} is {shown(value)}, expected one of {', '.join(TASKS)}, or null")


def _outside(value: object, where: str) -> OutsideGolden:
    fields = JsonFields(value, where)
    outside = OutsideGolden(
        file=fields.take("file", str),
        record=_file_record(fields.take("record", dict), f"{where}.record"),
        examples=each(fields.take("examples", list), f"{where}.examples", _golden),
    )
    fields.finish()
    if not re.fullmatch(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*", outside.file):
        raise ManifestInvalid(f"{where}.file is {shown(outside.file)}, expected a plain file name")
    return outside


def _paths(value: dict[object, object], where: str) -> dict[str, str]:
    if not all(isinstance(path, str) for path in value.values()):
        raise ManifestInvalid(f"{where} is {shown(value)}, expected tensor name → path")
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
        raise ManifestInvalid(f"{where} is {shown(value)}, expected a size and a sha256 in hex")
    return record
