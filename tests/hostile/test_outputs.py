"""What is there already and is no plain file is neither replaced nor waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hostile.special import make_special

from edgecnn.bench.journal import Journal, read_journal
from edgecnn.data.idx import read_idx
from edgecnn.data.pictures import read_npz
from edgecnn.errors import DataUnreadable, JournalUnreadable
from edgecnn.evaluate.class_names import read_mapping
from edgecnn.report.plots.network import check_plot
from edgecnn.text_file import MAX_BYTES, read_text
from edgecnn_runtime.atomic import check_writable, replace_file
from edgecnn_runtime.errors import EdgeCNNError, OutputNotWritable

KINDS = ("named pipe", "device")


@pytest.fixture(params=KINDS)
def special(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A path that is a pipe or leads to a device, and which."""
    path = tmp_path / "special"
    make_special(path, request.param)
    return path, request.param


def test_no_file_takes_the_place_of_a_pipe_or_a_device(special: tuple[Path, str]) -> None:
    path, kind = special
    with pytest.raises(OutputNotWritable, match=f"it is a {kind}; name another file"):
        check_writable(path)
    with pytest.raises(OutputNotWritable, match=f"it is a {kind}"), replace_file(path) as stream:
        stream.write(b"a bundle")
    mode = path.stat().st_mode
    assert stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    assert {each.name for each in path.parent.iterdir()} == {"special"}


def test_a_link_to_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    with replace_file(tmp_path / "link") as stream:
        stream.write(b"new")
    assert (tmp_path / "link").read_bytes() == b"new"
    assert (tmp_path / "old").read_bytes() == b"old"


def test_results_are_not_written_to_a_pipe_nor_read_from_one(special: tuple[Path, str]) -> None:
    path, kind = special
    with pytest.raises(JournalUnreadable, match=f"it is a {kind}"):
        Journal(path, {})
    with pytest.raises(JournalUnreadable, match=f"it is a {kind}"):
        read_journal(path)


def test_no_plot_is_drawn_to_a_pipe_or_a_device(special: tuple[Path, str]) -> None:
    path, kind = special
    plot = path.rename(path.with_suffix(".png"))
    with pytest.raises(EdgeCNNError, match=f"it is a {kind}; name another file"):
        check_plot(plot, 1)


def test_data_are_not_read_from_a_pipe_or_a_device(special: tuple[Path, str]) -> None:
    path, kind = special
    for read in (read_npz, read_idx, read_mapping):
        with pytest.raises(DataUnreadable, match=f"is a {kind}, expected"):
            read(path)


def test_a_text_without_an_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"")
    os.truncate(path, MAX_BYTES + 1)
    with pytest.raises(OSError, match="more than 16777216 bytes"):
        read_text(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x93NUMPY\1\0", b"", bytes(100)])
def test_an_npz_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataUnreadable, match=r"x\.npz is not a readable"):
        read_npz(path)
