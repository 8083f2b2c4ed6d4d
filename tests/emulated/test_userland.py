"""The userland: real packages, unpacked into a cache of the test's own."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.devices.build_once import build_once
from edgecnn.devices.emulated.qemu import Qemu, guest_command
from edgecnn.devices.emulated.userland import GLIBC, INSTALL, PYTHON, unpack_command, userland
from edgecnn.errors import EmulationUnavailable

BUILD = "from edgecnn.devices.emulated.userland import userland; print(userland())"


def build_in(cache: Path) -> subprocess.Popen[str]:
    variables = dict(os.environ) | {"EDGECNN_CACHE": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", BUILD],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
        cwd="/",
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may write to: pytest's own lie where nobody else may look."""
    with tempfile.TemporaryDirectory(prefix="edgecnn-test-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@pytest.mark.matrix
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.usefixtures("arm64_root")
def test_two_who_want_it_at_once_build_it_once(tmp_path: Path) -> None:
    both = [build_in(tmp_path), build_in(tmp_path)]
    said = [one.communicate() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    first, second = (Path(stdout.strip()) for stdout, _ in said)
    assert first == second
    assert (first / "usr/bin/python3").exists()
    left = [path.name for path in first.parent.iterdir() if path.is_dir()]
    assert left == [first.name]


@pytest.mark.matrix
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.usefixtures("arm64_root")
def test_an_ordinary_user_can_unpack_it(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests are run by one already")
    root = open_folder / "root"
    ran = subprocess.run(
        unpack_command(root), user="nobody", cwd="/", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert (root / "bin/sh").exists()
    assert root.stat().st_uid == pwd.getpwnam("nobody").pw_uid


def test_what_is_built_needs_nothing_to_be_found_again(
    arm64_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert userland() == arm64_root


def test_it_is_the_python_and_the_c_library_that_a_board_is_said_to_have(
    qemu: Qemu, arm64_root: Path
) -> None:
    asked = "import sys, platform; print(*sys.version_info[:3], *platform.libc_ver())"
    program = [arm64_root / "usr/bin/python3", "-c", asked]
    ran = subprocess.run(
        guest_command(qemu, "cortex-a72", arm64_root, program),
        env={"PYTHONHOME": str(arm64_root / "usr")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == [*map(str, PYTHON), "glibc", "{}.{}".format(*GLIBC)], ran.stderr


@pytest.mark.parametrize("tool", ["bash", "cat", "df", "getconf", "grep", "gzip", "sed", "tar"])
def test_it_has_what_a_session_over_ssh_uses(arm64_root: Path, tool: str) -> None:
    assert any((arm64_root / folder / tool).exists() for folder in ("bin", "usr/bin"))


def test_without_mmdebstrap_the_error_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(EmulationUnavailable, match=INSTALL):
        userland()


def test_a_download_that_fails_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "mmdebstrap"
    tool.write_text("#!/bin/sh\necho 'I: downloading' >&2; echo 'E: no answer' >&2; exit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(EmulationUnavailable, match=r"for arm64: no answer; apt-get update"):
        userland()
    assert [path.name for path in (tmp_path / "cache" / "emulated").iterdir()] == [
        path.name for path in (tmp_path / "cache" / "emulated").glob(".*.lock")
    ]


def test_a_build_that_is_interrupted_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))

    def interrupted(folder: Path) -> None:
        (folder / "half").write_text("of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once("thing", "recipe", interrupted)
    made = build_once("thing", "recipe", lambda folder: None)
    assert list(made.iterdir()) == []


def test_another_recipe_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    made = [build_once("thing", recipe, lambda folder: None) for recipe in ("a", "b", "a")]
    assert made[0] == made[2] != made[1]
