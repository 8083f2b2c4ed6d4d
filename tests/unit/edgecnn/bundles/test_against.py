from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import tflite_models
from conftest import ONNX_TEXT, contents, onnx_model, tflite_model

from edgecnn.bundles.against import WHOLE, compare_with, why_unlike
from edgecnn.bundles.strip import StripOptions, strip
from edgecnn.errors import FileUnusable
from edgecnn.exit_codes import DIFFERS, OK
from edgecnn.results.verify import VerifyResult
from edgecnn.results.verifying import VerifyOptions, verify_bundle
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import ExternalData
from edgecnn_runtime.parity.row import Parity

BUNDLES = Path(__file__).parents[3] / "data/bundles"


@pytest.fixture
def brightest(tmp_path: Path) -> Path:
    """A bundle of the brightest channel, as ONNX."""
    path = tmp_path / "brightest.edge"
    write_bundle(path, *contents("onnx", onnx_model()))
    return path


def against(bundle: Path, other: Path) -> VerifyResult:
    return verify_bundle(str(bundle), VerifyOptions(against=other))


def rows_of(bundle: Path, other: Path) -> list[Parity]:
    with Bundle(bundle) as opened:
        return compare_with(opened, other)


def onnx_file(path: Path, text: str) -> Path:
    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return path


def test_another_file_of_the_network_is_equal_whatever_it_calls_its_ends(
    brightest: Path, tmp_path: Path
) -> None:
    text = ONNX_TEXT.replace("input", "serving_x").replace("logits", "y")
    result = against(brightest, onnx_file(tmp_path / "my net (2).onnx", text))
    (row,) = [row for row in result.parity if row.verdict != "skipped"]
    assert (row.verdict, row.subject) == ("equal", "my_net__2.onnx")
    assert (result.exit_code, result.complaints) == (OK, ())


def test_a_tflite_file_with_channels_last_is_compared_in_its_own_order(
    brightest: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(tflite_models.brightest((1, 4, 4, 3), (1, 2), 2.0, 1.0))
    rows = rows_of(brightest, path)
    assert {row.verdict for row in rows if row.verdict != "skipped"} == {"equal"}


def test_another_answer_differs_with_a_sentence_that_nothing_is_alike(
    brightest: Path, tmp_path: Path
) -> None:
    text = ONNX_TEXT.replace("scale = {2.0}", "scale = {-2.0}")
    result = against(brightest, onnx_file(tmp_path / "other.onnx", text))
    assert result.exit_code == DIFFERS
    assert result.unlike is not None
    assert "answers nothing like" in result.unlike


def test_a_slightly_wrong_answer_differs_and_is_no_other_network(
    brightest: Path, tmp_path: Path
) -> None:
    text = ONNX_TEXT.replace("scale = {2.0}", "scale = {2.01}")
    result = against(brightest, onnx_file(tmp_path / "other.onnx", text))
    assert (result.exit_code, result.unlike) == (DIFFERS, None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("3, 4, 4", "3, 8, 8", "reads input float32 Nx3x8x8, and .* Nx3x4x4"),
        ("N, 3] logits", "N, 1] logits", "answers logits float32 Nx1, and .* Nx3"),
        ("float[N, 3, 4, 4]", "double[N, 3, 4, 4]", "float64"),
    ],
)
def test_another_shape_or_type_is_refused_in_a_sentence(
    brightest: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = ONNX_TEXT.replace(old, new)
    with pytest.raises(FileUnusable, match=words):
        rows_of(brightest, onnx_file(tmp_path / "other.onnx", text))


def test_a_stripped_bundle_is_verified_by_its_parent(tmp_path: Path) -> None:
    strip(BUNDLES / "separable.edge", tmp_path / "app.edge", StripOptions(targets=("onnx",)))
    result = against(BUNDLES / "separable.edge", tmp_path / "app.edge")
    verdicts = {row.subject: row.verdict for row in result.parity}
    assert verdicts == {"model.onnx": "equal", "model.int8.onnx": "equal"}
    with pytest.raises(FileUnusable, match="no golden examples"):
        against(tmp_path / "app.edge", BUNDLES / "separable.edge")


def test_an_8_bit_file_never_sets_its_own_limit(brightest: Path, tmp_path: Path) -> None:
    """The other bundle lists -60 dB for answers that are noise."""
    text = ONNX_TEXT.replace("offset = {1.0}", "offset = {-3.0}").replace("{2.0}", "{-2.0}")
    manifest, files = contents("onnx", onnx.parser.parse_model(text).SerializeToString())
    vouches = replace(
        manifest.artefacts[0], precision="int8", sqnr_db={"logits": (-60.0,)}, is_weak=True
    )
    manifest = replace(manifest, artefacts=(vouches,), groups={"logits": (WHOLE,)})
    write_bundle(tmp_path / "x.edge", manifest, files)
    result = against(brightest, tmp_path / "x.edge")
    assert [row.verdict for row in result.parity] == ["differs"]
    assert "12.0 dB" in result.parity[0].note


def test_external_data_is_refused(brightest: Path, tmp_path: Path) -> None:
    from onnx.external_data_helper import set_external_data

    model = onnx.load_from_string(onnx_model())
    model.graph.initializer[0].raw_data = np.float32(2).tobytes()
    set_external_data(model.graph.initializer[0], "weights.bin")
    (tmp_path / "x.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ExternalData):
        rows_of(brightest, tmp_path / "x.onnx")


def test_nothing_is_unlike_where_nothing_ran() -> None:
    assert why_unlike("a", "b", []) is None


def test_a_tflite_file_of_the_same_network_reads_with_its_own_names(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(tflite_model())
    write_bundle(tmp_path / "x.edge", *contents("tflite", tflite_model()))
    rows = rows_of(tmp_path / "x.edge", tmp_path / "x.tflite")
    assert {row.verdict for row in rows} == {"equal"}
