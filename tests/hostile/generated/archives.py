"""Bundles whose ZIP archive does harm or came to harm."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from hostile.generated.case import (
    Document,
    Kind,
    Members,
    Random,
    no_plain_file,
    open_and_run,
    sound,
)

Action = Callable[[], None]
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
PATHS = (
    *("../outside.txt", "/etc/outside", "a/../../outside", "C:\\outside", "..\\outside", "a\x00b"),
    *("\x1b[31mred", "dir/", "con", "a" * 5000, "\u202etxt", ".", "..", "MODEL.onnx", "Labels.TXT"),
)


def listed(members: Members) -> dict[str, dict[str, object]]:
    """The manifest's record of each file."""
    return {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    }


def pack(document: Document | bytes, members: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of a manifest, as it is if it is bytes, and files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        archive.writestr("manifest.json", raw)
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def write(folder: Path, content: bytes) -> Path:
    path = folder / "hostile.edge"
    path.write_bytes(content)
    return path


def repacked(
    folder: Path, members: Members, document: Document, method: int = zipfile.ZIP_STORED
) -> Path:
    """A bundle whose digests are right."""
    return write(folder, pack({**document, "files": listed(members)}, members, method))


def truncated(random: Random, folder: Path) -> Action:
    content = pack(*sound())
    path = write(folder, content[: int(random.integers(0, len(content)))])
    return lambda: open_and_run(path, must_refuse=True)


def flipped(random: Random, folder: Path) -> Action:
    content = bytearray(pack(*sound()))
    for _ in range(int(random.integers(1, 9))):
        content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
    path = write(folder, bytes(content))
    return lambda: open_and_run(path)


def flipped_in_the_directory(random: Random, folder: Path) -> Action:
    content = bytearray(pack(*sound()))
    begin = struct.unpack_from("<I", content, content.rfind(b"PK\5\6") + 16)[0]
    for _ in range(int(random.integers(1, 4))):
        content[int(random.integers(begin, len(content)))] = int(random.integers(256))
    path = write(folder, bytes(content))
    return lambda: open_and_run(path)


def flipped_in_a_local_header(random: Random, folder: Path) -> Action:
    content = bytearray(pack(*sound()))
    places = [i for i in range(len(content)) if content[i : i + 4] == b"PK\3\4"]
    begin = places[int(random.integers(len(places)))]
    content[begin + int(random.integers(4, 30))] = int(random.integers(256))
    path = write(folder, bytes(content))
    return lambda: open_and_run(path)


def compressed(random: Random, folder: Path) -> Action:
    document, members = sound()
    method = METHODS[int(random.integers(len(METHODS)))]
    content = bytearray(pack({**document, "files": listed(members)}, members, method))
    if random.random() < 0.7:
        at = content.find(b"model.onnx") + 10
        content[at + int(random.integers(4, 40))] ^= int(random.integers(1, 256))
    path = write(folder, bytes(content))
    return lambda: open_and_run(path)


def bomb(random: Random, folder: Path) -> Action:
    document, members = sound()
    size = int(random.integers(64, 512)) << 20
    name = ["labels.txt", "model.onnx", "golden/0.input.npy"][int(random.integers(3))]
    method = METHODS[1 + int(random.integers(3))]
    record = {**listed(members), name: {"size": size, "sha256": "0" * 64}}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("manifest.json", json.dumps({**document, "files": record}))
        for each, content in members.items():
            if each != name:
                archive.writestr(each, content)
        with archive.open(name, "w", force_zip64=True) as member:
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    path = write(folder, stream.getvalue())
    return lambda: open_and_run(path, must_refuse=True)


def odd_path(random: Random, folder: Path) -> Action:
    document, members = sound()
    name = PATHS[int(random.integers(len(PATHS)))]
    members[name] = b"outside"
    path = repacked(folder, members, document)
    return lambda: open_and_run(path, must_refuse=name not in ("con",))


def duplicate(random: Random, folder: Path) -> Action:
    document, members = sound()
    names = [*members, "manifest.json"]
    name = names[int(random.integers(len(names)))]
    stream = io.BytesIO(pack({**document, "files": listed(members)}, members))
    with zipfile.ZipFile(stream, "a") as archive:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive.writestr(name, members.get(name, b"{}") + b" ")
    path = write(folder, stream.getvalue())
    return lambda: open_and_run(path, must_refuse=True)


def missing_or_extra(random: Random, folder: Path) -> Action:
    document, members = sound()
    record = listed(members)
    if random.random() < 0.5:
        del members[list(members)[int(random.integers(len(members)))]]
    else:
        members[f"extra{int(random.integers(99))}.bin"] = random.bytes(64)
    path = write(folder, pack({**document, "files": record}, members))
    return lambda: open_and_run(path, must_refuse=True)


def link(random: Random, folder: Path) -> Action:
    document, members = sound()
    (folder / "secret").write_bytes(members["model.onnx"])
    stream = io.BytesIO()
    name = ["model.onnx", "labels.txt"][int(random.integers(2))]
    target = [b"secret", b"/etc/passwd", b"../secret"][int(random.integers(3))]
    record = listed(members)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("manifest.json", json.dumps({**document, "files": record}))
        for each, content in members.items():
            info = zipfile.ZipInfo(each)
            if each == name:
                info.create_system, info.external_attr = 3, 0o120777 << 16
            archive.writestr(info, target if each == name else content)
    path = write(folder, stream.getvalue())
    return lambda: open_and_run(path, must_refuse=True)


def surrounded(random: Random, folder: Path) -> Action:
    content = pack(*sound())
    before, after = (random.bytes(int(random.integers(0, 4096))) for _ in range(2))
    path = write(folder, before + content + after)
    return lambda: open_and_run(path)


def no_archive(random: Random, folder: Path) -> Action:
    choices = [b"", b"PK", b"PK\3\4", random.bytes(4096), b"{}", b"PK\5\6" + bytes(18), b"\x89PNG"]
    path = write(folder, choices[int(random.integers(len(choices)))])
    return lambda: open_and_run(path, must_refuse=True)


def no_file(random: Random, folder: Path) -> Action:
    path = no_plain_file(random, folder / "hostile.edge")
    return lambda: open_and_run(path, must_refuse=True)


KINDS = (
    Kind("zip: cut off", truncated, 60),
    Kind("zip: bits flipped", flipped, 120),
    Kind("zip: directory changed", flipped_in_the_directory, 120),
    Kind("zip: a member's header changed", flipped_in_a_local_header, 80),
    Kind("zip: compressed, and damaged", compressed, 60),
    Kind("zip: bomb", bomb, 12),
    Kind("zip: odd path", odd_path, 45),
    Kind("zip: the same name twice", duplicate, 20),
    Kind("zip: a file missing or too many", missing_or_extra, 20),
    Kind("zip: symbolic link", link, 18),
    Kind("zip: data before and after", surrounded, 25),
    Kind("zip: no archive", no_archive, 20),
    Kind("zip: pipe, device, folder", no_file, 15),
)
