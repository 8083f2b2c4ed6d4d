"""What a board lacks is sent to it once, whole, and to where it belongs; or the reason is told."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from board.faults import linked, wait_until
from board.sshd import Server
from unit.edgecnn.devices.ssh.conftest import Reach
from unit.edgecnn.devices.wheels.own_index import Index

from edgecnn.devices.ssh.store import _whole
from edgecnn.errors import ConnectionLost, DeviceFailed, DeviceUnsuitable

NAMES = (
    "plain.edge",
    "with blanks.edge",
    "--help",
    "-rf",
    "$(touch hacked).edge",
    "`touch hacked`",
    "a;touch hacked",
    'it\'s "quoted".edge',
    "back\\slash\\n.edge",
    "new\nline.edge",
    "100%s.edge",
    "*.edge",
    "~",
    "Größe 模型.edge",
    os.fsdecode(b"latin-\xe9.edge"),
    "n" * 200,
)
HOSTILE_FOLDERS = ("with blanks", "$(touch hacked)", "it's", "a;b", "-rf", "Größe")


def inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def has_nothing_half(server: Server) -> bool:
    return not [path for path in server.cache.rglob("*") if ".part" in path.name]


def test_a_board_gets_the_agent_and_the_engines_that_are_asked_for(
    server: Server, index: Index, reach: Reach
) -> None:
    server.start()
    board = reach()
    environments = board.prepare(["onnxruntime"])
    assert set(environments) == {"main"}
    assert {path.name for path in (server.cache / "wheels").glob("*/*.txt")} == {"onnxruntime.txt"}
    with board.agent("main", ["host"]) as events:
        (found,) = events
    assert found["engines"]["onnxruntime"]


def test_what_is_there_is_not_sent_again(server: Server, index: Index, reach: Reach) -> None:
    server.start()
    first = reach()
    first.prepare()
    assert first.sent_bytes > 10_000
    second = reach()
    second.prepare()
    assert second.sent_bytes == 0
    second.prepare(["tflite-runtime"])
    assert 0 < second.sent_bytes < 10_000


def test_nobody_else_may_look_into_its_folder(server: Server, index: Index, reach: Reach) -> None:
    server.start()
    board = reach()
    board.prepare(["onnxruntime"])
    assert server.cache.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_read_is_closed_to_them(
    server: Server, index: Index, reach: Reach
) -> None:
    server.cache.mkdir(parents=True)
    server.cache.chmod(0o777)
    server.start()
    reach().prepare(["onnxruntime"])
    assert server.cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_arrives_whatever_it_is_called(
    server: Server, index: Index, reach: Reach, tmp_path: Path, name: str
) -> None:
    server.start()
    folder = tmp_path / "mine"
    folder.mkdir()
    content = os.urandom(100_000)
    (folder / name).write_bytes(content)
    board = reach()
    board.prepare(["onnxruntime"])
    place = board.send([folder / name])[folder / name]
    assert Path(place).read_bytes() == content
    assert has_nothing_half(server)
    assert not list(server.folder.rglob("hacked"))
    board.close()
    assert list((server.cache / "runs").iterdir()) == []


def test_bundles_of_one_name_are_kept_apart(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    server.start()
    bundles = [tmp_path / "a" / "net.edge", tmp_path / "b" / "net.edge"]
    for bundle in bundles:
        bundle.parent.mkdir()
        bundle.write_text(str(bundle))
    board = reach()
    board.prepare(["onnxruntime"])
    places = board.send(bundles[:1])
    places = {**places, **board.send(bundles[1:])}
    assert [Path(places[bundle]).read_text() for bundle in bundles] == list(map(str, bundles))


def test_the_golden_examples_beside_a_bundle_go_with_it(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    server.start()
    (tmp_path / "net.edge").write_bytes(b"bundle")
    (tmp_path / "net.golden").write_bytes(b"golden")
    board = reach()
    board.prepare(["onnxruntime"])
    (place,) = board.send([tmp_path / "net.edge"]).values()
    assert Path(place).read_bytes() == b"bundle"
    assert Path(place).with_suffix(".golden").read_bytes() == b"golden"


@pytest.mark.parametrize("name", HOSTILE_FOLDERS)
def test_wherever_the_board_has_its_cache(
    server: Server, index: Index, reach: Reach, name: str, tmp_path: Path
) -> None:
    cache = server.folder / name
    # sshd's configuration has no lines of more than one: what sets it there is a login script.
    server.start(f'ForceCommand . {server.folder}/profile; eval "$SSH_ORIGINAL_COMMAND"')
    (server.folder / "profile").write_text(f"XDG_CACHE_HOME={quoted(cache)}; export XDG_CACHE_HOME")
    (tmp_path / "net.edge").write_bytes(b"x" * 1000)
    board = reach()
    board.prepare(["onnxruntime"])
    (place,) = board.send([tmp_path / "net.edge"]).values()
    assert Path(place).read_bytes() == b"x" * 1000
    assert Path(place).is_relative_to(cache / "edgecnn")
    with board.agent("main", ["host"]) as events:
        assert [one["event"] for one in events] == ["host"]
    assert not list(server.folder.rglob("hacked"))


def quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"


def test_an_interpreter_may_be_called_anything(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    folder = tmp_path / "it's $(touch hacked) here"
    folder.mkdir()
    # A launcher, as of a virtual environment.
    python = folder / "py thon"
    python.write_text(f'#!/bin/sh\nexec {Path(sys.executable).resolve()} "$@"\n')
    python.chmod(0o755)
    server.start()
    board = reach(python=str(python))
    environments = board.prepare(["onnxruntime"])
    assert environments["main"].command[0] == str(python)
    with board.agent("main", ["host"]) as events:
        assert [one["event"] for one in events] == ["host"]


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/false", "/bin/echo"])
def test_an_interpreter_that_is_none_is_named(
    server: Server, index: Index, reach: Reach, python: str
) -> None:
    server.start()
    with pytest.raises(DeviceUnsuitable, match=f"{python} is not a Python that runs there"):
        reach(python=python).prepare()


def test_a_python_that_is_too_old_is_named(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    old = tmp_path / "python3.7"
    old.write_text("#!/bin/sh\necho 3.7.3\n")
    old.chmod(0o755)
    server.start()
    with pytest.raises(DeviceUnsuitable, match=f"rpi has Python 3.7.3 at {old}; .* bookworm"):
        reach(python=str(old)).prepare()


def test_a_board_needs_no_program_that_unpacks(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for path in Path("/usr/bin").iterdir():
        if path.name not in ("tar", "gzip", "unzip") and not path.name.startswith("python"):
            (commands / path.name).symlink_to(path)
    server.start(variables=[("PATH", str(commands))])
    reach().prepare()
    assert len(list((server.cache / "wheels").glob("*/*.txt"))) == 4


def test_a_python_without_its_library_says_what_to_install(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    python = tmp_path / "python3"
    real = Path(sys.executable).resolve()
    python.write_text(
        "#!/bin/sh\nfor word; do case $word in *zipfile*) code=$word;; esac; done\n"
        f'[ -z "$code" ] || exec {real} -c "import sys; sys.modules[\'zipfile\'] = None$code"\n'
        f'exec {real} "$@"\n'
    )
    python.chmod(0o755)
    server.start()
    with pytest.raises(DeviceUnsuitable, match=r"no module zipfile.*sudo apt install python3"):
        reach(python=str(python)).prepare()


def test_a_wheel_that_is_another_is_not_kept(server: Server, index: Index, reach: Reach) -> None:
    server.start()
    store = reach()._store
    store.content()
    wheel = next(index.folder.glob("*.whl"))
    with pytest.raises(DeviceFailed, match="did not arrive whole: it came with sha256"):
        store.put_wheel(wheel, "0" * 64, sys.executable)
    assert list((server.cache / "wheels").iterdir()) == []


def test_what_a_wheel_keeps_apart_lies_beside_the_rest(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/one.py", "")
        archive.writestr("a-1.data/platlib/a/two.py", "")
    server.start()
    store = reach()._store
    store.content()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    store.put_wheel(wheel, digest, sys.executable)
    names = {path.name for path in (server.cache / "wheels" / digest / "a").iterdir()}
    assert names == {"one.py", "two.py"}


def test_a_home_that_cannot_be_written_says_so(server: Server, index: Index, reach: Reach) -> None:
    (server.home / ".cache").touch()
    server.start()
    with pytest.raises(DeviceUnsuitable, match="cannot be created there"):
        reach().prepare()


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk is mounted by root alone; run the tests with sudo")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_too_small_a_disk_is_told_before_anything_is_sent(
    server: Server, index: Index, reach: Reach
) -> None:
    server.start()
    with small_disk(server.home, "size=8m"):
        board = reach()
        with pytest.raises(DeviceUnsuitable, match=r"\d+ MB are needed and 8 MB are free there"):
            board.prepare()
        assert board.sent_bytes == 0


def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_half_stays(
    server: Server, index: Index, reach: Reach
) -> None:
    server.start()
    # Room for bytes, and none for files: what is asked before does not see that.
    with small_disk(server.home, "size=200m,nr_inodes=14"):
        with pytest.raises(DeviceUnsuitable, match=r"its disk is full: .* free some"):
            reach().prepare()
        assert has_nothing_half(server)


def test_a_bundle_without_room_is_told_before_it_is_sent(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    server.start()
    bundle = tmp_path / "net.edge"
    with bundle.open("wb") as stream:
        stream.truncate(100_000_000)
    with small_disk(server.home, "size=60m"):
        board = reach()
        board.prepare()
        before = board.sent_bytes
        with pytest.raises(DeviceUnsuitable, match=r"net.edge: 134 MB are needed .*free some"):
            board.send([bundle])
        assert board.sent_bytes - before < 1_000_000


def test_a_link_that_breaks_on_the_way_leaves_nothing_half_there(
    server: Server, index: Index, reach: Reach, tmp_path: Path
) -> None:
    server.start()
    bundle = tmp_path / "net.edge"
    bundle.write_bytes(os.urandom(3_000_000))
    with linked(server.port) as link:
        server.configure_client(f"HostKeyAlias [127.0.0.1]:{server.port}")
        board = reach(port=link.port)
        board.prepare(["onnxruntime"])
        board.send([])
        link.cut_after(1_000_000)
        with pytest.raises(ConnectionLost, match="the connection to rpi broke"):
            board.send([bundle])
    wait_until(lambda: not server.sessions(), 10, "its processes end")
    assert has_nothing_half(server)
    assert list((server.cache / "runs").iterdir()) == []


def test_an_engine_that_is_cut_off_is_sent_again(
    server: Server, index: Index, reach: Reach
) -> None:
    server.start()
    reach().prepare(["onnxruntime"])
    wheels = server.cache / "wheels"
    (whole,) = (path.parent for path in wheels.glob("*/onnxruntime.txt"))
    shutil.rmtree(whole)
    # What a power cut leaves.
    (wheels / ".0123456789abcdef.part").mkdir()
    (wheels / ".0123456789abcdef.part" / "half").touch()
    long_ago = time.time() - 7200
    os.utime(wheels / ".0123456789abcdef.part", (long_ago, long_ago))
    board = reach()
    board.prepare(["onnxruntime"])
    assert (whole / "onnxruntime.txt").exists()
    assert has_nothing_half(server)


def test_an_agent_that_is_damaged_on_its_way_is_not_kept(
    server: Server, index: Index, reach: Reach
) -> None:
    server.start()
    board = reach()
    store = board._store
    store.content()
    short = server.folder / "short.pyz"
    short.write_bytes(b"x" * 100)

    def less(pipe: object) -> None:
        pipe.write(b"x" * 99)  # type: ignore[attr-defined]

    with pytest.raises(DeviceFailed, match="did not arrive whole"):
        store._put("agents/short.pyz", _whole(short), less)
    assert inside(server.cache / "agents") == []


def test_two_benches_prepare_one_board_at_the_same_time(
    server: Server, index: Index, reach: Reach
) -> None:
    server.start()
    boards = [reach(), reach(), reach()]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda board: board.prepare(), boards))
    assert found[0] == found[1] == found[2]
    assert has_nothing_half(server)
    with boards[1].agent("main", ["host"]) as events:
        assert [one["event"] for one in events] == ["host"]
