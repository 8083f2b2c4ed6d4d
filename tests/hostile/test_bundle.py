"""Bundles made to do harm, and bundles that came to harm: each is refused by its own error."""

from __future__ import annotations

import shutil
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import contents, onnx_model
from hostile.edited import Edit, edit_manifest, write_members

import edgecnn_runtime as edge
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.errors import (
    BundleUnreadable,
    CompressionBomb,
    DigestMismatch,
    EngineError,
    ExternalData,
    FileMissing,
    FileUnlisted,
    GoldenInvalid,
    ManifestInvalid,
    UnknownSchema,
    UnsafePath,
)


def encode(document: dict[str, Any], name: str, encoding: object) -> None:
    document["artefacts"][0]["encodings"] = {name: encoding}


def test_a_sound_bundle_opens(bundle: Path) -> None:
    with edge.open(bundle) as session:
        assert session.labels == ("red", "green", "blue")


@pytest.mark.parametrize("schema", [None, "edgecnn.bundle/3", "edgecnn.bundle/0", 1, ""])
def test_an_unknown_schema_is_refused(bundle: Path, schema: object) -> None:
    edited = edit_manifest(bundle, lambda m: m.update(schema=schema))
    with pytest.raises(UnknownSchema, match="export the model again, or update edgecnn"):
        edge.open(edited)


def test_an_absent_file_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        members = {n: archive.read(n) for n in archive.namelist() if n != "labels.txt"}
    with pytest.raises(FileMissing, match=r"labels\.txt"):
        edge.open(write_members(bundle, members))


def test_an_extra_file_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("extra.bin", b"who put this here?")
    with pytest.raises(FileUnlisted, match=r"extra\.bin"):
        edge.open(bundle)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("labels.txt", b"cat\ndog\nfox\n")
    with pytest.raises(FileUnlisted, match="twice"):
        edge.open(bundle)


def test_no_manifest_is_refused(bundle: Path) -> None:
    with pytest.raises(FileMissing, match="not a bundle of edgecnn"):
        edge.open(write_members(bundle, {"model.fake": b"{}"}))


@pytest.mark.parametrize("name", sorted(contents()[1]))
def test_one_changed_bit_in_any_file_is_refused(bundle: Path, name: str) -> None:
    with zipfile.ZipFile(bundle) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    content = bytearray(members[name])
    content[len(content) // 2] ^= 1
    members[name] = bytes(content)
    with pytest.raises(DigestMismatch, match="sha256"):
        edge.open(write_members(bundle, members))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_size_is_refused(bundle: Path, change: int) -> None:
    edited = edit_manifest(
        bundle,
        lambda m: m["files"]["labels.txt"].update(size=m["files"]["labels.txt"]["size"] + change),
    )
    with pytest.raises(DigestMismatch, match="bytes"):
        edge.open(edited)


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/passwd",
        "a/../../evil",
        "a\\..\\evil",
        "C:evil",
        "a//b",
        "./a",
        "a/",
        ".ssh",
    ],
)
def test_a_path_that_leaves_the_bundle_is_refused(bundle: Path, path: str) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(path, b"")
    with pytest.raises(UnsafePath):
        edge.open(bundle)


def test_a_path_with_a_nul_byte_is_refused(bundle: Path) -> None:
    content = bundle.read_bytes().replace(b"labels.txt", b"labels\x00txt")
    bundle.write_bytes(content)
    with pytest.raises((UnsafePath, BundleUnreadable)):
        edge.open(bundle)


def test_a_symbolic_link_is_refused(bundle: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UnsafePath, match="link"):
        edge.open(bundle)


def test_a_compression_bomb_is_refused_before_it_inflates(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50 << 20))
    with pytest.raises(CompressionBomb, match="200 times"):
        edge.open(bundle)


def test_a_bomb_that_lies_about_its_size_inflates_no_further_than_it_says(tmp_path: Path) -> None:
    manifest, files = contents()
    path = tmp_path / "liar.edge"
    write_bundle(path, manifest, files)
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    members["labels.txt"] = bytes(8 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    said = struct.pack("<L", 8 << 20)
    path.write_bytes(path.read_bytes().replace(said, struct.pack("<L", 15)))
    with pytest.raises((BundleUnreadable, DigestMismatch)):
        edge.open(path)


def test_a_bundle_of_more_than_two_gigabytes_is_refused(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    for at in _central_entries(content)[1:4]:
        content[at + 20 : at + 28] = struct.pack("<LL", 0x3FFFFFFF, 0x3FFFFFFF)
    bundle.write_bytes(content)
    with pytest.raises(CompressionBomb, match="at most"):
        edge.open(bundle)


def _central_entries(content: bytes) -> list[int]:
    found, at = [], content.find(b"PK\x01\x02")
    while at >= 0:
        found.append(at)
        at = content.find(b"PK\x01\x02", at + 1)
    return found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["golden/0.input.npy", "golden/0.output0.npy"])
def test_golden_arrays_that_are_not_finite_are_refused(
    tmp_path: Path, name: str, bad: float
) -> None:
    manifest, files = contents()
    shape = (1, 3, 4, 4) if "input" in name else (1, 3)
    array = np.zeros(shape, np.float32)
    array.flat[1] = bad
    write_bundle(tmp_path / "nan.edge", manifest, files | {name: npy(array)})
    with pytest.raises(GoldenInvalid, match="NaN or infinity"):
        edge.open(tmp_path / "nan.edge")


def test_a_golden_array_of_another_shape_is_refused(tmp_path: Path) -> None:
    manifest, files = contents()
    files["golden/0.output0.npy"] = npy(np.zeros((1, 4), np.float32))
    write_bundle(tmp_path / "x.edge", manifest, files)
    with pytest.raises(GoldenInvalid, match="expected logits float32 Nx3"):
        edge.open(tmp_path / "x.edge")


def test_a_pickle_in_a_golden_array_is_refused_and_not_run(tmp_path: Path) -> None:
    import io

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "boom",)  # type: ignore[return-value]

    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], object), allow_pickle=True)
    manifest, files = contents()
    files["golden/0.output0.npy"] = stream.getvalue()
    write_bundle(tmp_path / "x.edge", manifest, files)
    with pytest.raises(GoldenInvalid, match=r"not a plain \.npy"):
        edge.open(tmp_path / "x.edge")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(bundle: Path, share: float) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BundleUnreadable, match="truncated"):
        edge.open(bundle)


def test_a_hole_in_the_middle_is_refused(bundle: Path) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[:600] + content[700:])
    with pytest.raises(BundleUnreadable):
        edge.open(bundle)


def test_a_missing_bundle_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleUnreadable, match=r"does not exist; make a bundle with: edgecnn"):
        edge.open(tmp_path / "none.edge")
    with pytest.raises(BundleUnreadable, match="cannot be read"):
        edge.open(tmp_path)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda m: m.pop("name"), "no field 'name'"),
        (lambda m: m.update(colour="blue"), "unknown field 'colour'"),
        (lambda m: m.update(inputs=[]), "no input"),
        (lambda m: m.update(artefacts="model.fake"), "artefacts is str, expected list"),
        (lambda m: m["inputs"][0].update(dtype="complex64"), "dtype is 'complex64'"),
        (lambda m: m["inputs"][0].update(shape=[-1, 3]), "positive integer or null"),
        (lambda m: m["inputs"][0].update(shape=[True, 3]), "positive integer or null"),
        (lambda m: m["artefacts"][0].update(path="other"), "not among the manifest's files"),
        (lambda m: m["artefacts"][0].update(layout="NCHW"), "layout is 'NCHW', expected 'NHWC'"),
        (lambda m: m["artefacts"][0].update(layout=1), "layout is 1"),
        (lambda m: m["artefacts"][0].update(weights=["w"]), "weights is list, expected str"),
        (lambda m: m["artefacts"][0].update(weights="w.bin"), "not among the manifest's files"),
        (lambda m: m["artefacts"][0].update(encodings=[1]), "encodings is list, expected an obj"),
        (lambda m: encode(m, "colour", [0.5, 0]), "encoding of 'colour', which is no float32"),
        (lambda m: encode(m, "input", 0.5), "expected .scale, zero_point."),
        (lambda m: encode(m, "input", [0.5, 0, 0]), "expected .scale, zero_point."),
        (lambda m: encode(m, "input", ["0.5", 0]), "scale is str, expected int or float"),
        (lambda m: encode(m, "input", [float("nan"), 0]), "finite number"),
        (lambda m: encode(m, "input", [10**400, 0]), "finite number"),
        (lambda m: encode(m, "input", [0, 0]), "expected a positive scale"),
        (lambda m: encode(m, "input", [1e-300, 0]), "expected a positive scale"),
        (lambda m: encode(m, "input", [-0.5, 0]), "expected a positive scale"),
        (lambda m: encode(m, "input", [0.5, 256]), "a zero point of 8 bits"),
        (lambda m: encode(m, "input", [0.5, 1.0]), "zero_point is float, expected int"),
        (lambda m: encode(m, "input", [0.5, True]), "zero_point is bool, expected int"),
        (lambda m: m["preprocess"].update(std=[1, 0, 1]), "std holds 0"),
        (lambda m: m["preprocess"].update(mean=[1]), "mean has 1 values, expected 3"),
        (lambda m: m["preprocess"].update(scale=float("nan")), "finite number"),
        (lambda m: m["preprocess"].update(crop=[1 << 30, 1]), "1 to 65536 pixels"),
        (lambda m: m["preprocess"].update(filter="nearest"), "bilinear, bicubic"),
        (lambda m: m["golden"][0].update(inputs={}), "names tensors"),
        (lambda m: m["files"]["labels.txt"].update(sha256="xyz"), "sha256 in hex"),
        (
            lambda m: m["outputs"][0].update(shape=[None, 4]),
            "expected logits float32 Nx4|the model has",
        ),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(bundle: Path, edit: Edit, says: str) -> None:
    with pytest.raises((ManifestInvalid, GoldenInvalid), match=says):
        edge.open(edit_manifest(bundle, edit))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"3"])
def test_a_manifest_that_is_no_json_object_is_refused(bundle: Path, text: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        edge.open(write_members(bundle, {"manifest.json": text}))


def test_onnx_weights_outside_the_bundle_are_refused(tmp_path: Path) -> None:
    import onnx

    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.float32(2).tobytes())
    model = onnx.load_from_string(onnx_model())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(secret))
    write_bundle(tmp_path / "x.edge", *contents("onnx", model.SerializeToString()))
    with pytest.raises(ExternalData, match="outside the bundle"):
        edge.open(tmp_path / "x.edge")


def test_one_changed_bit_in_a_file_of_weights_is_refused_before_an_engine_sees_it(
    tmp_path: Path,
) -> None:
    manifest, files = contents()
    artefact = replace(manifest.artefacts[0], weights="model.bin")
    path = tmp_path / "two-files.edge"
    write_bundle(path, replace(manifest, artefacts=(artefact,)), files | {"model.bin": b"weights"})
    with pytest.raises(EngineError, match="has a weights file"):
        edge.open(path)  # sound, and the engine says that it has no use for it
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with pytest.raises(DigestMismatch, match=r"model\.bin has sha256"):
        edge.open(write_members(path, members | {"model.bin": b"weightz"}))
    with Bundle(path) as bundle, pytest.raises(DigestMismatch, match=r"model\.bin"):
        bundle.check()


def test_an_encrypted_member_is_refused(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    for at in _central_entries(content):
        content[at + 8] |= 1
    bundle.write_bytes(content)
    with pytest.raises(BundleUnreadable):
        edge.open(bundle)


def test_labels_that_do_not_fit_the_output_are_refused(tmp_path: Path) -> None:
    manifest, files = contents()
    write_bundle(tmp_path / "x.edge", manifest, files | {"labels.txt": b"red\ngreen\n"})
    with pytest.raises(ManifestInvalid, match="2 labels"):
        edge.open(tmp_path / "x.edge")


def test_a_model_with_other_inputs_than_the_manifest_is_refused(tmp_path: Path) -> None:
    manifest, files = contents("onnx", onnx_model())
    other = replace(manifest.inputs[0], name="image")
    golden = replace(manifest.golden[0], inputs={"image": "golden/0.input.npy"})
    write_bundle(tmp_path / "x.edge", replace(manifest, inputs=(other,), golden=(golden,)), files)
    with pytest.raises(ManifestInvalid, match="the model has input float32"):
        edge.open(tmp_path / "x.edge")


def test_refusing_leaves_the_bundle_closed(bundle: Path, tmp_path: Path) -> None:
    edited = edit_manifest(bundle, lambda m: m.update(schema="x"))
    with pytest.raises(UnknownSchema):
        edge.open(edited)
    shutil.move(edited, tmp_path / "moved.edge")  # ResourceWarning is an error here
