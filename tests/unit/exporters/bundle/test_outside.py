"""Golden examples in a file beside the bundle: used where it is there, and never packed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import OFFSET, SCALE, contents

from edgecnn_exporters.bundle.golden_files import outside_files
from edgecnn_exporters.capture.reference import Example
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import Contents, write_bundle, write_contents
from edgecnn_runtime.errors import DigestMismatch, GoldenInvalid, OutputNotWritable
from edgecnn_runtime.parity.verify import verify


def write(folder: Path, scale: float = SCALE, name: str = "my net.edge") -> Path:
    """A bundle and three examples beside it, which are answered where `scale` is the model's."""
    manifest, files = contents()
    feeds = np.random.default_rng(0).random((3, 1, 3, 4, 4), np.float32)
    examples: list[Example] = [
        (feed, {"logits": feed.mean(axis=(2, 3)) * np.float32(scale) + np.float32(OFFSET)})
        for feed in feeds
    ]
    outside, beside = outside_files(examples, "input")
    path = folder / name
    write_contents(path, Contents(replace(manifest, outside=outside), files, beside))
    return path


def verdicts(path: Path) -> list[str]:
    with Bundle(path) as bundle:
        return [row.verdict for row in verify(bundle, ("fake",)) if row.engine]


def test_they_are_verified_where_the_file_is_there(tmp_path: Path) -> None:
    assert verdicts(write(tmp_path)) == ["equal"]
    assert (tmp_path / "my net.golden").exists()
    with Bundle(tmp_path / "my net.edge") as bundle:
        assert len(list(bundle.outside() or ())) == 3


def test_answers_that_differ_from_them_alone_are_found(tmp_path: Path) -> None:
    path = write(tmp_path, scale=SCALE * 1.1)
    assert verdicts(path) == ["differs"]
    (tmp_path / "my net.golden").unlink()
    assert verdicts(path) == ["equal"]


def test_nothing_of_them_is_in_the_bundle_but_the_digest(tmp_path: Path) -> None:
    path = write(tmp_path)
    with zipfile.ZipFile(path) as bundle, zipfile.ZipFile(tmp_path / "my net.golden") as beside:
        packed = {bundle.read(name) for name in bundle.namelist()}
        assert not packed & {beside.read(name) for name in beside.namelist()}


def test_a_bundle_that_cannot_be_written_leaves_the_old_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    def full(descriptor: int) -> None:
        if b"manifest.json" in os.pread(descriptor, 100, 0):  # the bundle, the larger of the two
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputNotWritable, match="no space left on device"):
        write(tmp_path, scale=SCALE * 2)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    assert verdicts(path) == ["equal"]


def test_bytes_of_a_name_that_are_no_utf8_are_escaped_in_the_manifest(tmp_path: Path) -> None:
    manifest, files = contents()
    odd = {"command": "edgecnn export caf\udce9.onnx", "source": {"onnx": ["caf\udce9.onnx"]}}
    write_bundle(tmp_path / "x.edge", replace(manifest, provenance=odd), files)
    with Bundle(tmp_path / "x.edge") as bundle:
        found = bundle.manifest.provenance
    assert found["command"] == "edgecnn export caf\\xe9.onnx"
    assert found["source"] == {"onnx": ["caf\\xe9.onnx"]}


IN_ASCII = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from unit.exporters.bundle.test_outside import verdicts, write
write(Path(sys.argv[2]), name=sys.argv[3])
print(sys.getfilesystemencoding(), verdicts(Path(sys.argv[2], sys.argv[3])))
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="there names are UTF-8 in every locale")
def test_in_a_locale_of_ascii_alone_both_are_found_by_their_names(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[3])
    ran = subprocess.run(
        [sys.executable, "-c", IN_ASCII, tests, str(tmp_path), "né.edge"],
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "ascii ['equal']\n", ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"né.edge", "né.golden"}
    assert verdicts(tmp_path / "né.edge") == ["equal"]


def test_the_file_of_another_export_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "my net.golden").write_bytes(b"another")
    with Bundle(path) as bundle, pytest.raises(DigestMismatch, match="belongs to another export"):
        verify(bundle, ("fake",))


def test_an_example_that_the_file_does_not_hold_is_told(tmp_path: Path) -> None:
    manifest, files = contents()
    feed = np.zeros((1, 3, 4, 4), np.float32)
    examples: list[Example] = [(feed, {"logits": np.full((1, 3), OFFSET, np.float32)})]
    outside, _ = outside_files(examples, "input")
    path = tmp_path / "net.edge"
    write_contents(path, Contents(replace(manifest, outside=outside), files, {}))
    with Bundle(path) as bundle, pytest.raises(GoldenInvalid, match=r"holds no 0\.input\.npy"):
        list(bundle.outside() or ())
