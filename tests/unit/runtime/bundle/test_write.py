from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import contents

from edgecnn_runtime.atomic import check_writable, replace_file
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.manifest_json import manifest_from_json
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_runtime.manifest import SCHEMA


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    manifest, files = contents()
    written = write_bundle(tmp_path / "x.edge", manifest, files)
    with Bundle(tmp_path / "x.edge") as bundle:
        assert bundle.manifest == written
        assert {name: bundle.read(name) for name in files} == files
        bundle.check()


def test_the_manifest_comes_back_from_json_without_loss(tmp_path: Path) -> None:
    written = write_bundle(tmp_path / "x.edge", *contents())
    document = json.loads(json.dumps(written.to_json()))
    assert document["schema"] == SCHEMA
    assert manifest_from_json(document) == written


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    manifest, files = contents()
    write_bundle(tmp_path / "a.edge", manifest, files)
    write_bundle(tmp_path / "b.edge", manifest, dict(reversed(files.items())))
    assert (tmp_path / "a.edge").read_bytes() == (tmp_path / "b.edge").read_bytes()


def test_any_zip_tool_can_look_inside(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x.edge", *contents())
    with zipfile.ZipFile(tmp_path / "x.edge") as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.json"


@pytest.fixture(params=["unnamed", "hidden"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to write: as on Linux, and where files without a name are unknown."""
    if request.param == "hidden":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no unnamed files")
    return str(request.param)


@pytest.mark.parametrize("existing", [None, b"old"])
def test_a_file_appears_whole(tmp_path: Path, kind: str, existing: bytes | None) -> None:
    path = tmp_path / "x"
    if existing:
        path.write_bytes(existing)
        path.chmod(0o600)
    with replace_file(path) as stream:
        stream.write(b"new")
        if kind == "unnamed":
            assert {p.name for p in tmp_path.iterdir()} == ({"x"} if existing else set())
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.stat().st_mode & 0o777 == (0o600 if existing else 0o644 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, kind: str, error: type[BaseException]
) -> None:
    (tmp_path / "x").write_bytes(b"old")

    def interrupted() -> None:
        with replace_file(tmp_path / "x") as stream:
            stream.write(b"new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".x.{dead.pid}.partial"
    running = tmp_path / f".x.{os.getpid()}.partial"
    others = tmp_path / f".y.{dead.pid}.partial"
    for path in (left, running, others):
        path.touch()
    with replace_file(tmp_path / "x") as stream:
        stream.write(b"new")
    assert not left.exists()
    assert running.exists()
    assert others.exists()


WRITER = """
import sys
from pathlib import Path
from edgecnn_runtime.atomic import replace_file
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    with replace_file(path) as stream:
        stream.write(b"n" * 3_000_000)
"""


def test_kill_9_at_any_moment_leaves_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"n" * 3_000_000)
    for pause_ms in range(0, 40, 4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(pause_ms / 1000)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert path.read_bytes() == b"n" * 3_000_000
    with replace_file(path) as stream:
        stream.write(b"end")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import contents
from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_runtime.bundle.write import write_bundle
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
try:
    write_bundle(Path(sys.argv[1]), *contents())
except OutputNotWritable as error:
    print(error)
"""


def test_no_room_for_the_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x.edge"
    path.write_bytes(b"old")
    tests = str(Path(__file__).parents[3])
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(path), tests], capture_output=True, text=True, check=True
    )
    assert "cannot write" in ran.stdout
    assert "what was there before is unchanged" in ran.stdout
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.edge"]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=8k none {tmp_path} && exec {sys.executable} -"
    script = f"""
from pathlib import Path
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.errors import OutputNotWritable
folder = Path({str(tmp_path)!r})
(folder / "x").write_bytes(b"old")
try:
    with replace_file(folder / "x") as stream:
        stream.write(bytes(1 << 20))
except OutputNotWritable as error:
    print(error, [p.name for p in folder.iterdir()], (folder / "x").read_bytes())
"""
    ran = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", mount],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount" in ran.stderr or "unshare" in ran.stderr:
        pytest.skip(f"this machine lets nobody mount: {ran.stderr.strip()}")
    assert "no space left on device" in ran.stdout
    assert "['x'] b'old'" in ran.stdout


def test_a_folder_that_is_missing_or_not_writable_is_named_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputNotWritable, match="does not exist"):
        check_writable(tmp_path / "none" / "x.edge")
    with pytest.raises(OutputNotWritable, match="is a folder"):
        check_writable(tmp_path)
    check_writable(tmp_path / "x.edge")


def test_a_folder_that_refuses_files_is_named() -> None:
    with (
        pytest.raises(OutputNotWritable, match=r"cannot write /proc/x\.edge"),
        replace_file(Path("/proc/x.edge")),
    ):
        pass
