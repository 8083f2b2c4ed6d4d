"""Training sections and safetensors files made to harm, or that do not agree with themselves."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import wire
from hostile.edited import Edit, edit_manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_bundles import Recipe, learning_contents

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.safetensors import read_safetensors, write_safetensors
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import (
    BundleError,
    BundleUnreadable,
    DigestMismatch,
    ExternalData,
    GoldenInvalid,
    ManifestInvalid,
    OverBudget,
)
from edgecnn_runtime.training import FoldedNorm

TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7)}


def written(header: object, numbers: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file whose header is written as it is."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


def entry(begin: int, end: int, *shape: object, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}}'
# Content, and what is wrong with it.
NO_TENSORS: list[tuple[bytes, str]] = [
    (b"", "has 0 bytes, expected the length"),
    (written({}, length=1 << 40), "expected at most 4194304"),
    (written({}, length=3), "within the file"),
    (written(b"[]"), "does not begin with a brace"),
    (written(b" {}"), "does not begin with a brace"),
    (written(b"{"), "is not JSON"),
    (written(b'{"a":' * 5000), "is not JSON"),
    (written(b'{"a": NaN}'), "holds NaN"),
    (written(TWICE, bytes(4)), "has the field 'a' twice"),
    (written({"a": 1}), "'a' is int, expected an object"),
    (written({"a": {"dtype": "F32", "shape": [1]}}), "has no field 'data_offsets'"),
    (written({"a": entry(0, 4, 1) | {"x": 1}}), "unknown field 'x'"),
    (written({"a": entry(0, 4, 1, dtype="PICKLE")}, bytes(4)), "expected one of F32"),
    (written({"a": entry(0, 4, True)}, bytes(4)), "expected sizes from 1"),
    (written({"a": entry(0, 4, -1)}, bytes(4)), "expected sizes from 1"),
    (written({"a": entry(0, 0, 0)}), "expected sizes from 1"),
    (written({"a": entry(0, 4, 1.0)}, bytes(4)), "expected sizes from 1"),
    (written({"a": entry(0, 4, *[1] * 33)}, bytes(4)), "expected sizes from 1"),
    (written({"a": entry(0, 4, 2)}, bytes(4)), "has 4 bytes, its type and shape take 8"),
    (written({"a": entry(0, 1 << 50, 1 << 48)}, bytes(4)), "behind the end of the file"),
    (written({"a": entry(4, 8, 1)}, bytes(8)), "begins at 4, expected 0"),
    (written({"a": entry(0, 4, 1), "b": entry(0, 4, 1)}, bytes(4)), "begins at 0, expected 4"),
    (written({"a": entry(0, 4, 1), "b": entry(8, 12, 1)}, bytes(12)), "begins at 8, expected 4"),
    (written({"a": entry(0, 4, 1)}, bytes(5)), "has 1 bytes behind its last tensor"),
    (written({"__metadata__": {"a": 1}}), "expected texts by name"),
    (written({f"t{i}": 0 for i in range(20_000)}), "lists 20000 tensors"),
]


@pytest.mark.parametrize(
    ("content", "says"), NO_TENSORS, ids=[f"{n} {says}" for n, (_, says) in enumerate(NO_TENSORS)]
)
def test_what_is_no_safetensors_file_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_safetensors(content)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_file_is_refused_or_read_never_a_crash(tail: bytes, at: int, byte: int) -> None:
    content = bytearray(write_safetensors(TENSORS) + tail)
    content[min(at, len(content) - 1)] = byte
    try:
        tensors = read_safetensors(bytes(content))
    except ValueError:
        return
    assert sum(each.nbytes for each in tensors.values()) <= len(content)


def opened(
    folder: Path, edit: Edit = lambda _: None, files: dict[str, bytes] | None = None
) -> None:
    """Open and check a bundle that learns, with another manifest or other files."""
    manifest, own = learning_contents(Recipe(is_int8=True))
    path = folder / "learning.edge"
    write_bundle(path, manifest, own | (files or {}))
    with Bundle(edit_manifest(path, edit)) as bundle:
        bundle.check()


def field(name: str, value: object) -> Edit:
    return lambda m: m["training"].update({name: value})


def changed(name: str, **fields: object) -> Edit:
    """One entry of a list of the training section with other fields."""
    return lambda m: m["training"][name][0].update(fields)


def norm(**fields: object) -> dict[str, Any]:
    sound = FoldedNorm(
        "conv.w", None, "gamma", "beta", "mean", "variance", 1e-5, 0, "conv.weight", "conv.bias"
    )
    return asdict(sound) | fields


INVALID: dict[str, tuple[Edit, str]] = {
    "an unknown field": (field("code", "x"), "unknown field 'code'"),
    "no graph": (lambda m: m["training"].pop("graph"), "has no field 'graph'"),
    "a graph elsewhere": (field("graph", "../x.onnx"), "not among the manifest's files"),
    "values in the graph": (field("values", "model.train.onnx"), "names 'model.train.onnx' twice"),
    "another loss": (field("loss", "hinge"), "loss is 'hinge', expected one of cross_entropy"),
    "no rate": (field("learning_rate", 0), "expected a positive rate"),
    "an infinite rate": (field("learning_rate", 1e40), "expected a finite number"),
    "a momentum of 1": (field("momentum", 1), "a momentum below 1"),
    "a negative decay": (field("weight_decay", -1), "expected 0.0 to"),
    "no parameters": (lambda m: m.update(parameters=[]), "lists no parameters"),
    "integers to learn": (
        lambda m: m["parameters"][0].update(dtype="int64"),
        "expected float32 of a fixed shape",
    ),
    "a parameter twice": (
        lambda m: m["parameters"].append(m["parameters"][0]),
        "expected those of sgd",
    ),
    "a terabyte of state": (changed("state", shape=[1 << 20, 1 << 9]), "expected those of sgd"),
    "state of another optimiser": (field("optimiser", "adam"), "expected those of adam"),
    "a statistic that is a parameter": (
        lambda m: m["training"].update(statistics=m["parameters"]),
        "names 'head.weight' twice",
    ),
    "a statistic that is the input": (
        field("statistics", [{"name": "input", "dtype": "float32", "shape": [3]}]),
        "names 'input' twice",
    ),
    "a statistic that is another's next": (
        field("statistics", [{"name": "head.bias.next", "dtype": "float32", "shape": [3]}]),
        "names 'head.bias.next' twice",
    ),
    "a statistic without values": (
        field("statistics", [{"name": "mean", "dtype": "float32", "shape": [3]}]),
        "has no tensor 'mean'",
    ),
    "random numbers by another name": (
        field("random", [{"name": "x", "dtype": "float32", "shape": [None, 3]}]),
        "with the name ….random",
    ),
    "more random numbers than memory": (
        field(
            "random",
            [
                {"name": f"{i}.random", "dtype": "float32", "shape": [None, 1 << 24]}
                for i in range(4)
            ],
        ),
        "random numbers an example",
    ),
    "a head of another name": (field("head", {"weight": "x", "bias": None}), "is no parameter"),
    "a head of other classes": (
        field("head", {"weight": "head.bias", "bias": None}),
        "expected the classes of the output",
    ),
    "a folded norm without values": (field("folded", [norm()]), "has no tensor 'beta'"),
    "a folded norm that makes a parameter": (
        field("folded", [norm(folded_bias="head.bias")]),
        "makes 'head.bias', which is a parameter",
    ),
    "a norm along axis 2": (field("folded", [norm(axis=2)]), "axis is 2, expected 0 or 1"),
    "a quantised layer of no weight": (changed("quantised", weight="x"), "no learnt weight"),
    "weights of one bit": (changed("quantised", bits=1), "bits is 1, expected 2 to 8"),
    "a range twice": (
        lambda m: m["training"].update(ranges=m["training"]["ranges"] * 2),
        "names 'logits.range' twice",
    ),
    "lists without an end": (
        lambda m: m["training"].update(ranges=m["training"]["ranges"] * 20_000),
        "lists 20000 tensors of a kind",
    ),
    "no int8 artefact": (lambda m: m["artefacts"].pop(0), "writes an int8 ONNX artefact"),
    "no float artefact": (lambda m: m["artefacts"].pop(1), "no fp32 ONNX artefact"),
    "a section that is a list": (lambda m: m.update(training=[]), "is list, expected an object"),
}


@pytest.mark.parametrize("case", INVALID)
def test_a_section_that_does_not_agree_with_itself_is_refused(tmp_path: Path, case: str) -> None:
    edit, says = INVALID[case]
    with pytest.raises(ManifestInvalid, match=re.escape(says)):
        opened(tmp_path, edit)


def values(**changes: object) -> dict[str, bytes]:
    """The file of values with other tensors; None removes one."""
    _, files = learning_contents()
    return edited_tensors(files, "model.train.safetensors", changes)


def golden(**changes: object) -> dict[str, bytes]:
    _, files = learning_contents()
    return edited_tensors(files, "golden/train.safetensors", changes)


def edited_tensors(
    files: dict[str, bytes], path: str, changes: dict[str, object]
) -> dict[str, bytes]:
    tensors: dict[str, Any] = read_safetensors(files[path]) | changes
    kept = {name: np.asarray(array) for name, array in tensors.items() if array is not None}
    return {path: write_safetensors(kept)}


def graph(*nodes: Any) -> dict[str, bytes]:
    constants = [wire.integers("shape", 1 << 20, 1 << 20), wire.integers("trips", 1 << 40)]
    return {"model.train.onnx": wire.model_of(nodes, constants).SerializeToString()}


def node(operator: str, *inputs: str, domain: str = "") -> Any:
    from onnx import helper

    return helper.make_node(operator, inputs, ["made"], domain=domain)


FILES: dict[str, tuple[dict[str, bytes], type[BundleError], str]] = {
    "a graph that is none": ({"model.train.onnx": b"x"}, BundleUnreadable, "not an ONNX model"),
    "a graph of foreign code": (
        graph(node("Sneak", "input", domain="evil")),
        ExternalData,
        r"model\.train\.onnx has the operator evil:Sneak",
    ),
    "a graph of a huge tensor": (
        graph(node("ConstantOfShape", "shape")),
        OverBudget,
        r"model\.train\.onnx makes with ConstantOfShape",
    ),
    "values that are none": (
        {"model.train.safetensors": b"x"},
        BundleUnreadable,
        r"train\.safetensors is not a safetensors file",
    ),
    "values without a parameter": (
        values(**{"head.bias": None}),
        ManifestInvalid,
        "has no tensor 'head.bias'",
    ),
    "values with more": (values(x=1), ManifestInvalid, "has the tensor 'x'"),
    "values of another shape": (
        values(**{"head.bias": np.zeros(4, np.float32)}),
        ManifestInvalid,
        "holds head.bias float32 4, expected head.bias float32 3",
    ),
    "values that are NaN": (
        values(**{"head.bias": np.full(3, np.nan, np.float32)}),
        ManifestInvalid,
        "'head.bias' holds NaN",
    ),
    "a negative number of steps": (
        values(**{"learn.step": -1}),
        ManifestInvalid,
        "expected a number of steps",
    ),
    "state of another shape": (
        values(**{"head.bias.momentum": np.zeros(1 << 16, np.float32)}),
        ManifestInvalid,
        "holds head.bias.momentum float32 65536",
    ),
    "a golden step without a loss": (
        golden(**{"learn.loss": None}),
        GoldenInvalid,
        "'learn.loss' is missing",
    ),
    "a golden position outside": (
        golden(**{"head.bias.index": np.array([0, 1, 3])}),
        GoldenInvalid,
        "outside of its 3 numbers",
    ),
    "fewer golden gradients": (
        golden(**{"head.bias.index": np.array([0, 1])}),
        GoldenInvalid,
        "has 2 positions and 3 gradients",
    ),
    "a golden NaN": (
        golden(**{"head.bias.norm": np.float32(np.nan)}),
        GoldenInvalid,
        "holds NaN",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_of_training_that_are_not_the_manifests_are_refused(
    tmp_path: Path, case: str
) -> None:
    files, error, says = FILES[case]
    with pytest.raises(error, match=says):
        opened(tmp_path, files=files)


def test_a_flipped_bit_in_the_training_graph_shows_when_a_bundle_is_opened(tmp_path: Path) -> None:
    import edgecnn_runtime as edge

    path = tmp_path / "learning.edge"
    manifest, files = learning_contents()
    write_bundle(path, manifest, files)
    content = bytearray(path.read_bytes())
    content[content.index(b"gradient_norm")] ^= 1
    path.write_bytes(content)
    with pytest.raises(DigestMismatch, match=r"model\.train\.onnx"):
        edge.open(path)


@pytest.mark.parametrize("content", [b"x", written({}), written({"x": entry(0, 4, 1)}, b"1234")])
def test_a_golden_step_that_is_none_is_refused_before_anything_is_learnt(
    tmp_path: Path, content: bytes
) -> None:
    import edgecnn_runtime as edge

    manifest, files = learning_contents()
    write_bundle(tmp_path / "x.edge", manifest, files | {"golden/train.safetensors": content})
    with pytest.raises(BundleError, match=r"golden/train\.safetensors"):
        edge.open(tmp_path / "x.edge", learn=True)
