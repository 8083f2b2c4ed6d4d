from __future__ import annotations

from pathlib import Path

import onnx.parser
import pytest
from conftest import ONNX_TEXT, onnx_model, tflite_model

from edgecnn.bundles.plain import artefact_name, as_bundles
from edgecnn.errors import FileUnusable
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.parity.answers import verify_answers


def test_a_bundle_stays_as_it_is_and_a_plain_file_becomes_one_for_a_while(tmp_path: Path) -> None:
    plain = tmp_path / "my net.onnx"
    plain.write_bytes(onnx_model())
    with as_bundles((tmp_path / "x.edge", None, plain)) as (kept, none, made):
        assert (kept, none) == (tmp_path / "x.edge", None)
        assert made is not None
        assert made.name == "my net.onnx"
        with Bundle(made) as bundle:
            bundle.check()
            assert bundle.manifest.name == "my net"
            assert bundle.manifest.artefacts[0].path == "my_net.onnx"
            assert bundle.manifest.artefacts[0].proof == "compiled only"
            assert bundle.manifest.golden == ()
            assert bundle.read("my_net.onnx") == onnx_model()
    assert not made.exists()


@pytest.mark.parametrize(
    ("name", "path"),
    [("a.onnx", "a.onnx"), ("größe.ONNX", "gr__e.onnx"), ("...tflite", "model.tflite")],
)
def test_the_artefact_has_a_name_that_a_bundle_allows(name: str, path: str) -> None:
    assert artefact_name(Path(name)) == path


def test_a_free_size_behind_the_batch_is_refused(tmp_path: Path) -> None:
    text = ONNX_TEXT.replace("float[N, 3, 4, 4]", "float[N, 3, H, W]")
    path = tmp_path / "x.onnx"
    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    with pytest.raises(FileUnusable, match="free size"), as_bundles([path]):
        pass


@pytest.mark.parametrize("engine", ["onnxruntime", "tflite"])
def test_a_plain_file_runs_and_its_answers_count_as_unproven(tmp_path: Path, engine: str) -> None:
    kind = engine_class(engine)
    path = tmp_path / ("x.onnx" if engine == "onnxruntime" else "x.tflite")
    path.write_bytes(onnx_model() if engine == "onnxruntime" else tflite_model())
    with as_bundles([path]) as (made,):
        assert made is not None
        with Bundle(made) as bundle:
            verification, answers = verify_answers(bundle, bundle.manifest.artefacts[0], kind)
    assert verification.parity.verdict == "unproven"
    assert verification.parity.difference is None
    # The brightest channel of a black image: offset alone.
    assert answers[0]["logits"].tolist() == [[1, 1, 1]]
    assert len(verification.outputs) == 1
