"""Suffixes of the bundle that an export, a learning or a strip writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.bundles.output import output_path
from edgecnn.bundles.strip import StripOptions, strip
from edgecnn.errors import StripRefused
from edgecnn.learn.output import learnt_path
from edgecnn_runtime.errors import OutputNotWritable

Write = Callable[[Path, Path], object]
WRITERS: dict[str, Write] = {
    "an export": lambda _, output: output_path(output, "net"),
    "a learning": lambda bundle, output: learnt_path(bundle, output, "net", force=False),
    "a strip": lambda bundle, output: strip(bundle, output, StripOptions()),
}


@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize(
    ("name", "instead"),
    [("x.txt", "x.edge"), ("net-1.5", "net-1.5.edge"), ("x.onnx", "x.edge, then: edgecnn bundle")],
)
def test_a_bundle_is_not_written_into_another_kind_of_file(
    tmp_path: Path, bundle: Path, what: str, name: str, instead: str
) -> None:
    (tmp_path / name).write_text("notes")
    with pytest.raises((OutputNotWritable, StripRefused)) as caught:
        WRITERS[what](bundle, tmp_path / name)
    assert f"cannot write {tmp_path / name}: {what} writes a bundle" in str(caught.value)
    assert f"give -o {tmp_path / instead}" in str(caught.value)
    assert (tmp_path / name).read_text() == "notes"


@pytest.mark.parametrize("name", ["x.edge", "X.EDGE"])
def test_a_bundle_s_name_is_its_path(tmp_path: Path, name: str) -> None:
    assert output_path(tmp_path / name, "net") == tmp_path / name
