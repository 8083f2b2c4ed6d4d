"""Boards that cannot be benched as they are, each with the words that help."""

from __future__ import annotations

from pathlib import Path

import pytest
from board.arm64 import Board
from board.workstation import LITERT, SHORT, Workstation

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("failing board")]


@pytest.fixture
def bare(new_pi4: Board, tmp_path: Path) -> Workstation:
    station = Workstation(tmp_path, new_pi4)
    station.add()
    return station


def bench(station: Workstation, network: Path) -> str:
    ran = station.run("bench", network, "--device", "rpi", *SHORT)
    assert ran.returncode == 1, ran.stdout
    assert "Traceback" not in ran.stderr
    return ran.stderr


def hide_pythons(board: Board) -> None:
    for path in (board.root / "usr/bin").glob("python3*"):
        path.unlink()


def test_without_python(bare: Workstation, network: Path) -> None:
    hide_pythons(bare.board)
    assert "rpi has no Python; the agent needs Python 3.11 or newer" in bench(bare, network)


def test_with_an_old_python(bare: Workstation, network: Path) -> None:
    hide_pythons(bare.board)
    old = bare.board.root / "usr/bin/python3"
    old.write_text("#!/bin/sh\necho 'python=3.7.3 /usr/bin/python3.7'\n")
    old.chmod(0o755)
    assert "rpi has Python 3.7.3 at /usr/bin/python3.7; the agent needs" in bench(bare, network)


def test_with_a_32_bit_userland(bare: Workstation, network: Path) -> None:
    fake = bare.board.root / "usr/bin/getconf"
    fake.unlink()
    fake.write_text(
        "#!/bin/sh\n[ $1 = LONG_BIT ] && echo 32\n[ $1 = GNU_LIBC_VERSION ] && echo glibc 2.36\n"
    )
    fake.chmod(0o755)
    ran = bare.run("doctor", "--device", "rpi")
    assert "armv7l on a kernel for aarch64" in ran.stdout
    ran = bare.run("bench", network, "--device", "rpi", "--engine", "onnxruntime")
    assert ran.returncode == 1
    assert "rpi can have none of the engines that it needs: onnxruntime: " in ran.stderr


def test_with_a_full_disk(bare: Workstation, network: Path) -> None:
    bare.board.limit_disk(2_000_000)
    assert "MB are free there; free some" in bench(bare, network)


def test_with_engines_of_another_architecture(station: Workstation, network: Path) -> None:
    import ai_edge_litert

    station.add()
    ours, theirs = Path(ai_edge_litert.__file__).parent, station.litert(network)
    names = [path.relative_to(theirs) for path in theirs.rglob("*.so")]
    held = {name: (theirs / name).read_bytes() for name in names if (ours / name).exists()}
    try:
        for name in held:
            (theirs / name).write_bytes((ours / name).read_bytes())
        said = bench(station, network)
    finally:
        for name, library in held.items():
            (theirs / name).write_bytes(library)
    assert "no engine there runs" in said
    assert "tflite does not load ai_edge_litert" in said


def test_a_host_key_that_is_not_known_or_has_changed(bare: Workstation, network: Path) -> None:
    hosts = bare.board.folder / "known_hosts"
    known = hosts.read_text()
    hosts.write_text("")
    assert "its host key is not known, and edgecnn accepts no new key by itself" in bench(
        bare, network
    )
    assert hosts.read_text() == ""
    other = (bare.board.folder / "key.pub").read_text()
    hosts.write_text(f"{known.split()[0]} {other}")
    assert "its host key is not the known one" in bench(bare, network)


def test_a_login_that_is_refused(bare: Workstation, network: Path) -> None:
    (bare.board.home / ".ssh/authorized_keys").unlink()
    said = bench(bare, network)
    assert f"ssh-copy-id -p {bare.board.port} {bare.board.destination}" in said


def test_a_board_that_is_off(bare: Workstation, network: Path) -> None:
    bare.board.cut_power()
    assert "no ssh server answers there" in bench(bare, network)


def test_with_fewer_cores_than_threads(station: Workstation, network: Path) -> None:
    station.add()
    ran = station.run("bench", network, "--device", "rpi", *LITERT[:2], "--threads", "64")
    assert ran.returncode == 1
    assert "--threads 64 is more than the 4 cores there are, on rpi" in ran.stderr
