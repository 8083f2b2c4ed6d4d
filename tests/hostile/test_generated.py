"""Hostile inputs of every kind, made from seeds: each is refused in a line, or does no harm.

`python -m hostile.generated.judge` in `tests/` prints how all of them end, by kind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def faults(share: float) -> list[str]:
    """What is wrong with a share of each kind; processes are forked from one that ran nothing."""
    ran = subprocess.run(
        [sys.executable, "-m", "hostile.generated.judge", "--json", "--share", str(share)],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    return [
        f"{each['kind']}, seed {each['seed']}: {each['end']}" for each in json.loads(ran.stdout)
    ]


@pytest.mark.slow
def test_some_of_every_kind_do_no_harm() -> None:
    assert faults(0.04) == []


@pytest.mark.matrix
def test_all_of_every_kind_do_no_harm() -> None:
    assert faults(1) == []
