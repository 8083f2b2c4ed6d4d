"""Manifests made to hang a reader, to fill its memory, or to vouch for their own artefacts."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import contents
from hostile.edited import Edit, bundle_with, edit_manifest, members_of, write_members

import edgecnn_runtime as edge
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import BundleError, DigestMismatch, EngineError, ManifestInvalid
from edgecnn_runtime.parity.verify import verify
from edgecnn_runtime.session import Session


def rewrite(bundle: Path, text: str) -> Path:
    return write_members(bundle, members_of(bundle) | {"manifest.json": text.encode()})


def with_field(bundle: Path, field: str) -> Path:
    """The bundle whose manifest has one field more, written as it is."""
    text = members_of(bundle)["manifest.json"].decode().rstrip().removesuffix("}")
    return rewrite(bundle, f"{text}, {field}}}")


# A field written as it is, and what is wrong with it.
REFUSED: list[tuple[str, str]] = [
    ('"name": "another"', "has the field 'name' twice"),
    ('"x": {"a": 1, "b": 2, "a": 3}', "has the field 'a' twice"),
    ('"x": NaN', "holds NaN, expected a finite number"),
    ('"x": [-Infinity]', "holds -Infinity"),
    (r'"x": "\ud800"', "half a surrogate pair"),
    (r'"\udc00x": 1', "half a surrogate pair"),
    (f'"x": {"[" * 65}{"]" * 65}', "nests deeper than 64"),
    (f'"x": {"[" * 100_000}{"]" * 100_000}', "is not JSON"),
    (f'"x": {"9" * 5000}', "is not JSON"),
    (f'"{"x" * 5000}": 1', "unknown field 'x+…"),
]


@pytest.mark.parametrize(
    ("field", "says"), REFUSED, ids=[f"{number} {says}" for number, (_, says) in enumerate(REFUSED)]
)
def test_json_that_readers_take_differently_is_refused(bundle: Path, field: str, says: str) -> None:
    with pytest.raises(ManifestInvalid, match=says) as refused:
        Bundle(with_field(bundle, field))
    assert str(bundle) in str(refused.value)
    assert len(str(refused.value)) < 700


def test_a_surrogate_pair_is_one_character(bundle: Path) -> None:
    named = edit_manifest(bundle, lambda m: m.update(name="\U0001f600"))
    assert rb"\ud83d\ude00" in members_of(named)["manifest.json"]
    with Bundle(named) as opened:
        assert opened.manifest.name == "\U0001f600"


def test_a_million_keys_take_no_minute(bundle: Path) -> None:
    keys = ", ".join(f'"k{i}": 1' for i in range(200_000))
    began = time.process_time()
    with pytest.raises(ManifestInvalid, match="'k199999' twice"):
        Bundle(rewrite(bundle, f'{{{keys}, "k199999": 1}}'))
    assert time.process_time() - began < 5


def repeat(field: str, times: int) -> Edit:
    return lambda m: m.update({field: m[field] * times})


def shape(*extents: int | None) -> Edit:
    return lambda m: m["inputs"][0].update(shape=extents)


def artefact(**fields: object) -> Edit:
    return lambda m: m["artefacts"][0].update(fields)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (repeat("golden", 10_000), "10000 golden, at most 64"),
        (repeat("artefacts", 1000), "1000 artefacts, at most 32"),
        (repeat("artefacts", 2), r"artefacts names 'model\.fake' twice"),
        (repeat("outputs", 2), "outputs names 'logits' twice"),
        (lambda m: m["golden"][0].update(image=""), r"golden\[0\]\.image is not among"),
        (shape(None, 3, 65536, 65536), "numbers at batch 1, expected at most"),
        (shape(*[1] * 100), "100 axes"),
        (
            lambda m: m["files"]["golden/0.input.npy"].update(size=1 << 40),
            "1099511627776 bytes, at most",
        ),
        (
            lambda m: m.update(
                groups={"logits": [{"axis": 1, "channels": [[0, 3]] * 1000, "low": 0, "high": 1}]}
            ),
            "list 3000 channels, the output",
        ),
        (lambda m: m.update(groups={"logits": 3}), r"groups\['logits'\] is int, expected a list"),
    ],
)
def test_lists_without_an_end_are_refused(bundle: Path, edit: Edit, says: str) -> None:
    with pytest.raises(BundleError, match=says):
        Bundle(edit_manifest(bundle, edit))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (artefact(precision="fp64"), "precision is 'fp64', expected one of fp32, fp16, int8"),
        (artefact(precision="[/red]"), "expected one of fp32"),
        (artefact(sqnr_db={"logits": []}, outside_db={}, weak=True), "which only int8 may"),
        (artefact(precision="fp16", outside_db={"logits": []}, weak=True), "which only int8 may"),
        (artefact(precision="int8"), r"lists the SQNR of \[\], expected \['logits'\]"),
    ],
)
def test_an_artefact_does_not_choose_its_own_tolerance(bundle: Path, edit: Edit, says: str) -> None:
    with pytest.raises(ManifestInvalid, match=says):
        Bundle(edit_manifest(bundle, edit))


def test_a_float_artefact_of_an_older_bundle_does_not_either(bundle: Path) -> None:
    def edit(document: dict[str, Any]) -> None:
        for newer in ("groups", "task", "parameters", "outside"):
            del document[newer]
        document["schema"] = "edgecnn.bundle/1"
        del document["artefacts"][0]["proof"]
        document["artefacts"][0]["sqnr_db"] = -100.0

    with pytest.raises(ManifestInvalid, match="which only int8 may"):
        Bundle(edit_manifest(bundle, edit))


def test_an_int8_artefact_that_promises_noise_differs_all_the_same(tmp_path: Path) -> None:
    """Of a garbage that says that it is 100 dB below the noise, and is not called weak."""
    _, files = contents()
    garbage = json.loads(files["model.fake"]) | {"scale": -50.0}
    whole = {"axis": None, "channels": [[0, 1]], "low": 0, "high": 3}
    path = bundle_with(tmp_path, {"model.fake": json.dumps(garbage).encode()})

    def promise(document: dict[str, Any]) -> None:
        document["artefacts"][0] |= {"precision": "int8", "sqnr_db": {"logits": [-100.0]}}
        document["groups"] = {"logits": [whole]}

    with Bundle(edit_manifest(path, promise)) as bundle:
        row = verify(bundle, ("fake",))[0]
    assert row.verdict == "differs"


def prepare(**fields: object) -> Edit:
    return lambda m: m["preprocess"].update(fields)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (prepare(crop=[20_000, 20_000]), "makes float32 images of 3x20000x20000"),
        (prepare(crop=[65_536, 65_536]), "makes float32 images of 3x65536x65536"),
        (prepare(resize=[4, 5]), "makes float32 images of 3x4x5"),
        (prepare(resize=5), "resize 5"),
        (prepare(layout="NHWC"), "in NHWC, the network reads input float32 Nx3x4x4"),
        (prepare(colour="L", mean=[0], std=[1]), "makes float32 images of 1x4x4"),
        (prepare(scale=0), "scale 0"),
        (prepare(scale=1e25, std=[1e-20] * 3), "multiplied by 1e"),
        (prepare(mean=[1e20] * 3, std=[1e-20] * 3), "mean 1e"),
        (lambda m: m["inputs"][0].update(dtype="uint8"), "the network reads input uint8"),
        (shape(None, 3, 4, None), "the network reads input float32 Nx3x4xN"),
        (shape(None, 48), "the network reads input float32 Nx48"),
    ],
)
def test_a_preprocessing_that_does_not_fit_the_input_is_refused(
    bundle: Path, edit: Edit, says: str
) -> None:
    with pytest.raises(ManifestInvalid, match=re.escape(says)):
        Bundle(edit_manifest(bundle, edit))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (b"", "0 labels"),
        (b"red\ngreen\n", "2 labels"),
        (b"background\nred\ngreen\nblue\n", "4 labels"),
        (b"red\ngreen\nblue\n\n", "4 labels"),
        (b"r\xe9d\ngreen\nblue\n", "not UTF-8"),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_open_and_by_verify(
    tmp_path: Path, labels: bytes, says: str
) -> None:
    path = bundle_with(tmp_path, {"labels.txt": labels})
    with pytest.raises(ManifestInvalid, match=says):
        edge.open(path)
    with Bundle(path) as bundle, pytest.raises(ManifestInvalid, match=says):
        verify(bundle, ("fake",))


def test_a_label_ends_at_a_line_feed_and_nowhere_else(tmp_path: Path) -> None:
    path = bundle_with(tmp_path, {"labels.txt": "a\x85b\x0bc\r\n\u2028\nlast".encode()})
    with Bundle(path) as bundle:
        assert bundle.labels() == ("a\x85b\x0bc", "\u2028", "last")


def test_labels_are_of_a_row_of_scores(bundle: Path) -> None:
    edited = edit_manifest(bundle, lambda m: m["outputs"][0].update(shape=[None, 3, 1, 1]))
    with pytest.raises(ManifestInvalid, match="names classes of the output logits float32 Nx3x1x1"):
        Bundle(edited)


def test_a_changed_label_is_a_changed_file(bundle: Path) -> None:
    members = members_of(bundle)
    write_members(bundle, members | {"labels.txt": b"red\nGreen\nblue\n"})
    with Bundle(bundle) as opened, pytest.raises(DigestMismatch):
        opened.labels()


def test_an_engine_that_answers_for_other_classes_is_refused(bundle: Path) -> None:
    """A graph may answer more scores than it declares."""
    with edge.open(bundle) as session:
        fewer = Session(session.manifest, session.artefact, session.engine, ("red", "green"))
        with pytest.raises(
            EngineError, match=r"answers \(1, 3\) scores, expected one for each of 2"
        ):
            fewer.classify(np.zeros((4, 4, 3), np.uint8))


def test_an_int8_artefact_lists_its_noise_on_the_examples_beside_the_bundle_too(
    bundle: Path,
) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["artefacts"][0] |= {"precision": "int8", "sqnr_db": {"logits": []}}
        record = {"size": 1, "sha256": "0f" * 32}
        document["outside"] = {"file": "net.golden", "record": record, "examples": []}

    with pytest.raises(ManifestInvalid, match=r"lists the SQNR of \[\], expected \['logits'\]"):
        Bundle(edit_manifest(bundle, edit))
