"""The agent as one file."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from edgecnn.devices.agent_zipapp import write_agent


def test_it_is_the_same_file_whenever_it_is_made(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pyz", tmp_path / "second.pyz"
    write_agent(first)
    with zipfile.ZipFile(first) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    write_agent(second)
    assert first.read_bytes() == second.read_bytes()


def test_it_runs_alone(tmp_path: Path) -> None:
    size_bytes = write_agent(tmp_path / "agent.pyz")
    assert size_bytes == (tmp_path / "agent.pyz").stat().st_size
    ran = subprocess.run(
        [sys.executable, tmp_path / "agent.pyz", "--version"],
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip()
