from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import contents, fake_model, red_image
from learning_bundles import Recipe, learning_contents, pictures
from unit.runtime.choice.both import PLAN, write_both

import edgecnn_runtime as edge
from edgecnn.bundles.strip import StripOptions, strip
from edgecnn.errors import StripRefused
from edgecnn.results.bundle import show_bundle, strip_bundle
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import DigestMismatch
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.measure.training_step import verify_step
from edgecnn_runtime.parity.verify import verify

LENET5 = Path(__file__).parents[3] / "data/bundles/lenet5.edge"
ALL = StripOptions()


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A bundle of two artefacts with a golden example."""
    manifest, files = contents()
    second = replace(manifest.artefacts[0], path="second.fake", precision="fp16")
    files["second.fake"] = fake_model()
    provenance = {"golden_labels": ["red"], "command": "made"}
    manifest = replace(manifest, artefacts=(*manifest.artefacts, second), provenance=provenance)
    write_bundle(tmp_path / "full.edge", manifest, files)
    return tmp_path / "full.edge"


def manifest_of(path: Path) -> Manifest:
    with Bundle(path) as bundle:
        bundle.check()
        return bundle.manifest


def files_of(path: Path) -> dict[str, bytes]:
    with Bundle(path) as bundle:
        return {name: bundle.read(name) for name in bundle.manifest.files}


def test_golden_examples_go_and_all_else_stays(full: Path, tmp_path: Path) -> None:
    stripped = strip(full, tmp_path / "app.edge", ALL)
    before, after = manifest_of(full), manifest_of(tmp_path / "app.edge")
    assert after.artefacts == before.artefacts
    assert (after.preprocess, after.postprocess) == (before.preprocess, before.postprocess)
    assert set(after.files) == {"model.fake", "second.fake", "labels.txt"}
    assert (stripped.golden, stripped.left_out, stripped.is_verifiable) == (1, (), False)
    assert stripped.size_bytes == (tmp_path / "app.edge").stat().st_size


def test_the_parent_s_digest_and_what_was_left_out_are_recorded(full: Path, tmp_path: Path) -> None:
    strip(full, tmp_path / "app.edge", StripOptions(precisions=("fp32",)))
    provenance = manifest_of(tmp_path / "app.edge").provenance
    (entry,) = provenance["stripped"]
    assert entry["parent_sha256"] == hashlib.sha256(full.read_bytes()).hexdigest()
    assert "second.fake" in entry["left_out"]
    assert "golden/0.image.npy" in entry["left_out"]
    assert provenance["command"] == "made"
    assert "golden_labels" not in provenance
    assert entry["parent_sha256"][:12] in str(show_bundle(tmp_path / "app.edge"))


def test_an_output_with_the_name_of_a_model_file_is_refused(full: Path, tmp_path: Path) -> None:
    with pytest.raises(StripRefused, match=r"give -o .*app\.edge, then: edgecnn bundle extract"):
        strip(full, tmp_path / "app.tflite", ALL)
    assert not (tmp_path / "app.tflite").exists()


def test_a_second_strip_adds_to_the_record(full: Path, tmp_path: Path) -> None:
    strip(full, tmp_path / "a.edge", ALL)
    strip(tmp_path / "a.edge", tmp_path / "b.edge", StripOptions(keep=("second.fake",)))
    first, second = manifest_of(tmp_path / "b.edge").provenance["stripped"]
    assert second["left_out"] == ["model.fake"]
    assert second["parent_sha256"] != first["parent_sha256"]


def test_a_stripped_bundle_classifies_as_before(full: Path, tmp_path: Path) -> None:
    strip(full, tmp_path / "app.edge", StripOptions(keep=("model.fake",)))
    with edge.open(full) as before, edge.open(tmp_path / "app.edge") as after:
        assert after.classify(red_image(), top=3) == before.classify(red_image(), top=3)


def test_an_artefact_that_is_kept_keeps_its_weights(tmp_path: Path) -> None:
    options = StripOptions(precisions=("int8",), targets=("openvino",))
    stripped = strip(LENET5, tmp_path / "app.edge", options)
    assert stripped.kept == ("model.int8.xml",)
    files = set(manifest_of(tmp_path / "app.edge").files)
    assert files == {"model.int8.xml", "model.int8.bin", "labels.txt"}


def test_golden_examples_stay_if_asked(full: Path, tmp_path: Path) -> None:
    options = StripOptions(keep=("model.fake",), keep_golden=True)
    assert strip(full, tmp_path / "app.edge", options).is_verifiable
    manifest = manifest_of(tmp_path / "app.edge")
    assert len(manifest.golden) == 1
    assert manifest.provenance["golden_labels"] == ["red"]


def test_golden_examples_of_schema_1_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(StripRefused, match="bundle/1"):
        strip(LENET5, tmp_path / "app.edge", StripOptions(keep_golden=True))


def test_equal_bundles_give_equal_bytes(full: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.edge").write_bytes(full.read_bytes())
    strip(full, tmp_path / "a.edge", ALL)
    strip(tmp_path / "copy.edge", tmp_path / "b.edge", ALL)
    assert (tmp_path / "a.edge").read_bytes() == (tmp_path / "b.edge").read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (StripOptions(keep=("model.onnx",)), "has no artefact model.onnx; it has model.fake"),
        (StripOptions(precisions=("int8",)), "has no precision int8"),
        (StripOptions(targets=("rk3588",)), "has no target rk3588"),
        (StripOptions(keep=("model.fake",), precisions=("fp16",)), "a bundle needs one"),
    ],
)
def test_a_strip_that_keeps_nothing_is_refused(
    full: Path, tmp_path: Path, options: StripOptions, words: str
) -> None:
    with pytest.raises(StripRefused, match=words):
        strip(full, tmp_path / "app.edge", options)
    assert not (tmp_path / "app.edge").exists()


def test_a_plan_is_kept_by_its_format_and_by_the_name_of_its_target_in_export(
    tmp_path: Path,
) -> None:
    write_both(tmp_path / "both.edge")
    for name in ("plan", "native"):
        out = tmp_path / f"{name}.edge"
        assert strip(tmp_path / "both.edge", out, StripOptions(targets=(name,))).kept == (PLAN,)


def test_a_compiled_artefact_is_kept_by_its_target(tmp_path: Path) -> None:
    manifest, files = contents()
    path, companion = "npu/rk3588/model.rknn", "npu/rk3588/report.json"
    files |= {path: b"opaque", companion: b"{}"}
    compiled = Artefact(path, "rknn", "int8", "compiled only", target="rk3588", report=companion)
    manifest = replace(manifest, artefacts=(*manifest.artefacts, compiled))
    write_bundle(tmp_path / "full.edge", manifest, files)
    strip(tmp_path / "full.edge", tmp_path / "app.edge", StripOptions(keep=("rk3588",)))
    assert set(manifest_of(tmp_path / "app.edge").files) == {path, companion, "labels.txt"}


def test_a_richer_bundle_is_replaced_only_by_force(full: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.edge"
    other.write_bytes(full.read_bytes())
    with pytest.raises(StripRefused, match="1 golden examples"):
        strip(full, other, ALL)
    assert other.read_bytes() == full.read_bytes()
    strip(full, other, StripOptions(force=True))
    strip(full, other, ALL)


def test_a_damaged_bundle_is_refused(full: Path, tmp_path: Path) -> None:
    content = full.read_bytes()
    full.write_bytes(content.replace(b"red\ngreen", b"rad\ngreen"))
    with pytest.raises(DigestMismatch):
        strip(full, tmp_path / "app.edge", ALL)


def test_a_link_stays_a_link_to_the_stripped_bundle(full: Path, tmp_path: Path) -> None:
    (tmp_path / "link.edge").symlink_to(full)
    strip(tmp_path / "link.edge", None, ALL)
    assert (tmp_path / "link.edge").is_symlink()
    assert manifest_of(full).golden == ()


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps an open file's name")
def test_a_reader_that_has_the_bundle_open_keeps_reading_it(full: Path) -> None:
    with Bundle(full) as opened, edge.open(full) as session:
        strip(full, None, StripOptions(keep=("second.fake",)))
        assert opened.read("model.fake") == fake_model()
        assert opened.golden(0).image is not None
        opened.check()
        assert session.classify(red_image())[0].label == "red"
    assert manifest_of(full).golden == ()


STRIP = """
import sys
from pathlib import Path
from edgecnn.bundles.strip import StripOptions, strip
print("ready", flush=True)
strip(Path(sys.argv[1]), None, StripOptions())
"""


def test_a_process_killed_in_the_middle_leaves_one_whole_bundle(tmp_path: Path) -> None:
    path = tmp_path / "x.edge"
    whole = LENET5.read_bytes()
    for pause_ms in (0, 2, 5, 10, 20, 60):
        path.write_bytes(whole)
        process = subprocess.Popen(
            [sys.executable, "-c", STRIP, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(pause_ms / 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert path.read_bytes() == whole or manifest_of(path).golden == ()


def test_the_text_says_how_much_smaller_it_is_and_what_verifies_it(tmp_path: Path) -> None:
    text = str(strip_bundle(LENET5, tmp_path / "app.edge"))
    assert "3 golden examples (2.0 MB)" in text.replace("\n", " ")
    assert "edgecnn verify BUNDLE --against" in " ".join(text.split())


@pytest.mark.parametrize(
    ("precision", "learns", "writes_int8"), [("fp32", True, False), ("int8", False, False)]
)
def test_a_bundle_learns_while_the_float_graph_is_there(
    tmp_path: Path, precision: str, learns: bool, writes_int8: bool
) -> None:
    write_bundle(tmp_path / "full.edge", *learning_contents(Recipe(is_int8=True)))
    strip(tmp_path / "full.edge", tmp_path / "app.edge", StripOptions(precisions=(precision,)))
    after = manifest_of(tmp_path / "app.edge")
    assert (after.training is not None, bool(after.parameters)) == (learns, learns)
    assert ("model.train.onnx" in after.files) is learns
    assert getattr(after.training, "is_int8_written", False) is writes_int8


def test_a_golden_step_goes_with_the_golden_images_and_the_rest_still_learns(
    tmp_path: Path,
) -> None:
    write_bundle(tmp_path / "full.edge", *learning_contents())
    stripped = strip(tmp_path / "full.edge", tmp_path / "app.edge", StripOptions())
    assert stripped.kept == ("model.onnx", "model.train.onnx")
    assert stripped.left_out == ("golden/train.safetensors",)
    image = pictures(4, seed=9)[0].tobytes()
    assert image in b"".join(files_of(tmp_path / "full.edge").values())
    with edge.open(tmp_path / "app.edge", learn=True) as model:
        model.learn(*pictures(8))
        model.save(tmp_path / "learnt.edge")
    for name in ("app.edge", "learnt.edge"):
        assert image not in b"".join(files_of(tmp_path / name).values())
        with Bundle(tmp_path / name) as bundle:
            verdicts = [row.verdict for row in verify(bundle) if row.engine is not None]
            assert verdicts == ["skipped", "skipped"]
            row, _ = verify_step(bundle, threads=1, batch=None, counted_runs=0)
        assert (row.parity.verdict, row.parity.note) == ("unproven", "no golden step")
    strip(tmp_path / "full.edge", tmp_path / "kept.edge", StripOptions(keep_golden=True))
    assert "golden/train.safetensors" in manifest_of(tmp_path / "kept.edge").files
