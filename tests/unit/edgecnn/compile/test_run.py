"""Which bundle a compilation replaces, and where its compilers' messages are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.compile.plan import plan
from edgecnn.compile.run import log_file
from edgecnn_exporters.targets.profile import target_profile


def test_a_link_stands_for_the_bundle_behind_it(tmp_path: Path) -> None:
    real, link = tmp_path / "real.edge", tmp_path / "link.edge"
    link.symlink_to("real.edge")
    profiles = (target_profile("rk3588"),)
    planned = plan(link, profiles, None)
    assert (planned.bundle, planned.output) == (real, real)
    assert plan(tmp_path / "other.edge", profiles, link).output == real


def test_each_run_has_a_log_and_that_of_an_ended_one_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    bundle = Path("é" * 125 + ".edge")
    own = log_file(bundle)
    old, running, others = (
        own.with_name(own.name.replace(f"-{os.getpid()}.", f"-{number}."))
        for number in (ended.pid, os.getppid(), f"x-{ended.pid}")
    )
    for path in (old, running, others):
        path.touch()
    assert log_file(bundle) == own
    assert {*own.parent.iterdir()} == {own, running, others}
