"""Temporary files where there is no room for them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.scratch import refuse_full_disk, scratch_folder
from edgecnn_runtime.errors import OutputNotWritable

FULL_DISK = """
import resource, signal, sys
import numpy as np
from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_exporters.quantise.calibrate.samples import Spool
from edgecnn_exporters.scratch import scratch_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    {body}
except OutputNotWritable as error:
    print(error)
"""


@pytest.mark.parametrize(
    "body",
    [
        "Spool(np.zeros((1, 3, 40, 40)) for _ in range(9))",
        "Spool(np.zeros((1, 3, 20, 20)) for _ in range(9))",  # within the file's buffer
        """
    with scratch_folder() as folder:
        raise RuntimeError("basic_ios::clear: iostream error")""",
    ],
    ids=["large samples", "small samples", "a library's own error"],
)
def test_no_room_is_named_with_the_folder_and_what_to_do(body: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK.format(body=body)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot keep temporary files in /" in ran.stdout, ran.stderr
    assert "file too large; free some space, or name another folder in TMPDIR" in ran.stdout
    assert ran.stderr == ""


def test_where_there_is_room_an_error_is_what_it_is() -> None:
    for error in (RuntimeError("no kernel"), UnsupportedModel("no"), FileNotFoundError(2, "gone")):
        with pytest.raises(type(error)) as raised, scratch_folder():
            raise error
        assert raised.value is error


def test_the_folder_is_gone_afterwards() -> None:
    with scratch_folder() as folder:
        (folder / "x").write_bytes(b"x")
    assert not folder.exists()


def test_no_folder_for_them_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    with pytest.raises(OutputNotWritable, match="no usable temporary directory"), scratch_folder():
        pass


def test_a_disk_that_breaks_is_told_as_one() -> None:
    with pytest.raises(OutputNotWritable, match="input/output error"), refuse_full_disk():
        raise OSError(errno.EIO, os.strerror(errno.EIO))
