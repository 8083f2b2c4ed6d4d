"""``edgecnn export --quantize int8 --calibrate batch-norm``: no sample, as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.conftest import Run

DATA_FREE = ("--quantize", "int8", "--calibrate", "batch-norm", "--no-measure")


def test_without_samples_batch_normalisation_tells_the_ranges(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    ran = edgecnn("export", "own:build", "--input", "1x3x8x8", "--preprocess", "unit", *DATA_FREE)
    assert ran.returncode == 0, ran.stderr
    assert "the weaker choice" in ran.stderr
    assert "calibrated with batch normalisation alone" in ran.stdout
    assert "of 32 held-out samples" in ran.stdout


def test_batch_normalisation_of_an_onnx_file_tells_as_much(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    import onnx.parser

    proto = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 20]> g (float[N, 3, 8, 8] x) => (float[N, K] y)
        <float[3] g = {1, 1, 1}, float[3] b = {0, 0, 0}, float[3] v = {4, 4, 4}> {
        [scale] s = Constant <value = float[3, 1, 1, 1] {2, 3, 4}> ()
        [one] a = Conv <group = 3> (x, s)
        [norm] n = BatchNormalization (a, g, b, b, v) [act] r = Relu (n)
        [pool] p = GlobalAveragePool (r) [flat] y = Flatten (p) }"""
    )
    onnx.save(proto, tmp_path / "norm.onnx")
    ran = edgecnn("export", "norm.onnx", "--preprocess", "signed", *DATA_FREE)
    assert ran.returncode == 0, ran.stderr
    assert "calibrated with batch normalisation alone" in ran.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("own:unbalanced", "--preprocess", "unit"), "the network has none, or it was folded"),
        (("own:build", "--preprocess", "none"), "does not give the range of the network's input"),
    ],
)
def test_where_batch_normalisation_tells_nothing_it_is_refused(
    edgecnn: Run, own: None, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    ran = edgecnn("export", *options, "--input", "1x3x8x8", "-o", "net.edge", *DATA_FREE)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert not (tmp_path / "net.edge").exists()
