"""Description of a checkpoint in its safetensors header: network, input, data, preprocessing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edgecnn.errors import CheckpointUnreadable
from edgecnn.model.content import refuse_other_content
from edgecnn.zoo.architecture import Form
from edgecnn_runtime.bundle.preprocess_json import check_fits, preprocess_from_json
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.file_kind import other_than_file
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

SCHEMA = "edgecnn.checkpoint/1"
HEADER = "edgecnn"
# Least and greatest of the numbers of a form.
RANGES = (("classes", 1, 1 << 20), ("width", 0.01, 8), ("depth", 0.05, 8), ("phi", -8, 8))


@dataclass(frozen=True)
class Description:
    """Description of a checkpoint: its network, and the data that it was trained on.

    Attributes:
        input: (channels, height, width).
        data: name of the data set or folder.
        labels: names of the classes, in order.
        training: recipe, epoch and test result, as JSON; empty before the first epoch.
    """

    architecture: str
    form: Form
    input: tuple[int, int, int]
    data: str
    preprocess: Preprocess
    labels: tuple[str, ...]
    training: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The description as the header holds it."""
        return {
            "schema": SCHEMA,
            "architecture": self.architecture,
            "form": self.form.given(),
            "input": list(self.input),
            "data": self.data,
            # Through JSON: tuples become the lists that they are when read again.
            "preprocess": json.loads(json.dumps(asdict(self.preprocess))),
            "labels": list(self.labels),
            **self.training,
        }


def read_description(path: Path) -> Description | None:
    """Read the description of a checkpoint; None for a checkpoint of others.

    Raises:
        CheckpointUnreadable: missing, damaged, or described in a way that is not understood.
    """
    if path.suffix != ".safetensors":
        return None
    document = read_header(path)
    return None if document is None else _description(document, path)


def read_header(path: Path) -> dict[str, Any] | None:
    """The JSON that a safetensors file of ours carries; None where there is none.

    Raises:
        CheckpointUnreadable: missing, damaged, or of another format.
    """
    from safetensors import SafetensorError, safe_open

    kind = other_than_file(path)
    if kind is not None:
        raise CheckpointUnreadable(f"{path} is {kind}, expected a file of weights")
    if path.is_file():
        refuse_other_content(path)
    try:
        with safe_open(path, "np") as file:
            header = file.metadata() or {}
        document = json.loads(header[HEADER]) if HEADER in header else None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointUnreadable(
            f"{path} is not a safetensors file of weights: {error}"
        ) from error
    return document if isinstance(document, dict) else None


def _description(document: Mapping[str, Any], path: Path) -> Description:
    if document.get("schema") != SCHEMA:
        raise CheckpointUnreadable(
            f"{path} is described by schema {document.get('schema')!r}, expected {SCHEMA!r}"
        )
    own = {field.name for field in fields(Description)} - {"training"}
    try:
        channels, height, width = map(int, document["input"])
        preprocess = preprocess_from_json(document["preprocess"], f"{path}: preprocess")
        check_fits(preprocess, TensorSpec("input", "float32", (None, channels, height, width)))
        return Description(
            architecture=str(document["architecture"]),
            form=_form(document["form"]),
            input=(channels, height, width),
            data=str(document["data"]),
            preprocess=preprocess,
            labels=tuple(map(str, document["labels"])),
            training={key: document[key] for key in document.keys() - own - {"schema"}},
        )
    except (KeyError, TypeError, ValueError, ManifestInvalid) as error:
        raise CheckpointUnreadable(
            f"{path} is described in a way that is not understood: {error!r}"
        ) from error


def _form(document: Mapping[str, Any]) -> Form:
    """The form, within the ranges of the command line's options.

    Raises:
        TypeError, ValueError: a field is unknown, of another type, or out of range.
    """
    form = Form(**document)
    if form.stem not in (None, "imagenet", "small"):
        raise ValueError(f"stem is {form.stem!r}")
    for name, least, most in RANGES:
        value = getattr(form, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and least <= value <= most):
            raise ValueError(f"{name} is {value!r}, expected {least} to {most}")
    if form.classes is not None and not isinstance(form.classes, int):
        raise ValueError(f"classes is {form.classes!r}, expected a whole number")
    return form
