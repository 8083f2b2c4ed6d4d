"""What is read of an .rknn file, and what is refused."""

from __future__ import annotations

import pytest

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.npu.rockchip.rknn_file import read_rknn

TABLE = (
    b"{'attrs': {}, 'quant_tab': {'x': {'dtype': 'int8', 'scale': [0.5], 'zero_point': [-5]}}}\0"
)


def test_scales_zero_points_and_types_are_read() -> None:
    read = read_rknn(b"RKNN\0\0binary" + TABLE + b"binary", "model.rknn")
    assert read.encodings == {"x": (0.5, -5)}
    assert read.dtypes == {"x": "int8"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ONNX" + TABLE,
        b"RKNN without a table",
        b"RKNN{'attrs': open('/etc/passwd')}\0",
        b"RKNN{'attrs': {}, 'quant_tab': 7}\0",
        b"RKNN{'attrs': " + b"[" * 10_000 + b"\0",
        b"RKNN{'attrs': \xff\xff}\0",
        b"RKNN{'attrs': {}, 'quant_tab': {'x': {'scale': [], 'zero_point': [0]}}}\0",
    ],
)
def test_what_is_no_rknn_file_is_refused(content: bytes) -> None:
    with pytest.raises(CompilerFailed, match=r"model\.rknn"):
        read_rknn(content, "model.rknn")
