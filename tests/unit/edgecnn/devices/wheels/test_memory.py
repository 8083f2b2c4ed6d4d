"""Answers of package indexes, kept in a cache that may have no room for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FULL = """
import resource, signal
from edgecnn.devices.wheels.memory import remembered
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
print(len(remembered("which wheels", lambda: "x" * 20_000)))
"""


def test_without_room_the_answer_is_given_and_nothing_is_left_behind(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL],
        env=os.environ | {"EDGECNN_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("20000\n", "")
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
