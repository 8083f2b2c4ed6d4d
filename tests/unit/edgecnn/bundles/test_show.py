from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import contents, onnx_model, tflite_model

from edgecnn.results.bundle import BundleShowResult, ModelShowResult, show_bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import BundleUnreadable, DigestMismatch, ExternalData

BUNDLES = Path(__file__).parents[3] / "data/bundles"


def bundle_of(name: str) -> BundleShowResult:
    result = show_bundle(BUNDLES / f"{name}.edge")
    assert isinstance(result, BundleShowResult)
    return result


def file_of(path: Path) -> ModelShowResult:
    result = show_bundle(path)
    assert isinstance(result, ModelShowResult)
    return result


def test_an_artefact_in_two_files_has_the_size_of_both() -> None:
    facts = {one.path: one for one in bundle_of("lenet5").facts.artefacts}
    assert facts["model.int8.xml"].files == ("model.int8.xml", "model.int8.bin")
    assert facts["model.int8.xml"].size_bytes == 55665 + 64430
    assert facts["model.int8.xml"].engine == "openvino"
    assert facts["model.int8.onnx"].sqnr_db == 35.3


def test_the_golden_examples_are_counted_with_their_size() -> None:
    golden = bundle_of("lenet5").facts.golden
    assert (golden.count, golden.images) == (3, 3)
    assert golden.size_bytes == 3 * (3264 + 168) + 406028 + 720128 + 819968


def test_the_text_says_the_colour_order_before_the_resize() -> None:
    text = str(bundle_of("lenet5"))
    assert text.index("grey, one channel") < text.index("to 28 × 28") < text.index("mean 0.1307")


@pytest.mark.parametrize("name", ["lenet5", "separable", "two_outputs"])
def test_the_text_fits_eighty_columns(name: str) -> None:
    assert max(map(len, str(bundle_of(name)).split("\n"))) <= 80


def test_the_document_is_json_and_has_every_artefact() -> None:
    document = json.loads(json.dumps(bundle_of("separable").to_dict()))
    assert document["schema"] == "edgecnn.bundle-show/1"
    assert len(document["artefacts"]) == 8
    assert document["preprocess"] is None
    assert document["provenance"]["source"]["factory"] == "small_networks:separable"


def test_a_bundle_without_golden_examples_says_that_nothing_is_verified(tmp_path: Path) -> None:
    manifest, files = contents()
    files = {name: content for name, content in files.items() if "golden" not in name}
    write_bundle(tmp_path / "x.edge", replace(manifest, golden=()), files)
    assert "nothing here can be verified" in str(show_bundle(tmp_path / "x.edge"))


def test_provenance_of_another_writer_is_shown_as_far_as_it_is_text(tmp_path: Path) -> None:
    manifest, files = contents()
    odd = {"command": 7, "source": ["a"], "quantisation": "x", "stripped": 3, "versions": {"a": []}}
    write_bundle(tmp_path / "x.edge", replace(manifest, provenance=odd), files)
    result = show_bundle(tmp_path / "x.edge")
    assert isinstance(result, BundleShowResult)
    assert (result.facts.provenance.command, result.facts.provenance.source) == ("7", {})


def test_what_was_learnt_on_a_device_is_shown(tmp_path: Path) -> None:
    manifest, files = contents()
    first = {"steps": 9, "images": 90, "classes": {"before": 3, "after": 2}, "parent_sha256": "a"}
    held_out = {"images": 40, "before": 0.5, "after": 0.9, "data": "seen"}
    second = {"steps": 1200, "images": 9600, "parent_sha256": "0123456789abcdef"}
    learnt = [first | {"held_out": held_out}, second | {"held_out": held_out}]
    write_bundle(tmp_path / "x.edge", replace(manifest, provenance={"learnt": learnt}), files)
    result = show_bundle(tmp_path / "x.edge")
    assert isinstance(result, BundleShowResult)
    assert [one.before for one in result.facts.provenance.learnt] == [None, 0.5]
    text = " ".join(str(result).split())
    assert "learnt 1,200 steps, in which 9,600 images were shown, 50.00% → 90.00% of 40" in text
    assert "from the bundle with sha256 0123456789ab…, which learnt 1 time before" in text


def test_what_another_writer_says_of_learning_is_shown_as_far_as_it_is_numbers(
    tmp_path: Path,
) -> None:
    manifest, files = contents()
    odd = [7, {"steps": "many", "held_out": {"images": -1, "after": True}, "parent_sha256": []}]
    write_bundle(tmp_path / "x.edge", replace(manifest, provenance={"learnt": odd}), files)
    lines = str(show_bundle(tmp_path / "x.edge")).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("learnt")] == [
        "0 steps, in which 0 images were shown"
    ]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    content = (BUNDLES / "lenet5.edge").read_bytes()
    at = content.index(b"TFL3") + 4000
    (tmp_path / "x.edge").write_bytes(content[:at] + b"\x55\xaa" + content[at + 2 :])
    with pytest.raises(DigestMismatch):
        show_bundle(tmp_path / "x.edge")


def test_an_onnx_file_shows_its_operators_and_parameters() -> None:
    model = file_of(BUNDLES / "two_outputs.onnx").shown.model
    assert [str(spec) for spec in model.inputs] == ["image float32 1x3x24x24"]
    assert [spec.name for spec in model.outputs] == ["map", "scores"]
    assert model.operators["Conv"] >= 1
    assert model.precision == "fp32"


def test_a_qdq_file_is_int8(tmp_path: Path) -> None:
    from edgecnn_runtime.bundle import Bundle

    with Bundle(BUNDLES / "lenet5.edge") as bundle:
        for name in ("model.int8.onnx", "model.int8.tflite", "model.tflite"):
            (tmp_path / name).write_bytes(bundle.read(name))
    qdq = file_of(tmp_path / "model.int8.onnx").shown.model
    assert (qdq.precision, qdq.is_qdq) == ("int8", True)
    assert file_of(tmp_path / "model.int8.tflite").shown.model.precision == "int8"
    plain = file_of(tmp_path / "model.tflite").shown.model
    # LeNet-5 of the bundle: 61,706 weights and biases.
    assert (plain.precision, plain.parameters // 1000) == ("fp32", 61)
    assert [str(spec) for spec in plain.inputs] == ["input float32 1x28x28x1"]
    assert plain.operators["CONV_2D"] == 2
    assert plain.metadata["name"] == "lenet5"


def test_a_model_file_says_that_nothing_is_proven(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(tflite_model())
    assert "nothing here is proven" in str(file_of(tmp_path / "x.tflite"))


def test_external_data_and_custom_operators_are_refused(tmp_path: Path) -> None:
    import onnx
    from onnx.external_data_helper import set_external_data

    model = onnx.load_from_string(onnx_model())
    foreign = onnx.load_from_string(onnx_model())
    model.graph.initializer[0].raw_data = b"1234"
    set_external_data(model.graph.initializer[0], "weights.bin")
    foreign.graph.node[0].domain = "example.org"
    for name, one in (("a.onnx", model), ("b.onnx", foreign)):
        (tmp_path / name).write_bytes(one.SerializeToString())
        with pytest.raises(ExternalData, match=name):
            show_bundle(tmp_path / name)


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_a_cut_model_file_is_refused_at_every_length(tmp_path: Path, suffix: str) -> None:
    whole = onnx_model() if suffix == "onnx" else tflite_model()
    path = tmp_path / f"x.{suffix}"
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        try:
            show_bundle(path)
        except BundleUnreadable:
            continue
        # A flatbuffer's last bytes may be padding or weights that nothing refers to.
        assert length > 16 or suffix == "onnx"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleUnreadable, match="does not exist"):
        show_bundle(tmp_path / "x.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(BundleUnreadable, match="folder"):
        show_bundle(tmp_path / "folder.onnx")
