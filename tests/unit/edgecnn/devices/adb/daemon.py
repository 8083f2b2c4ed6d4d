"""A daemon that a real `adb` talks to: adb's protocol over TCP, shells and files of this machine.

It speaks what Android's own `adbd` does (packages/modules/adb: protocol.txt, SYNC.TXT,
shell_protocol.h): CNXN without authentication, streams, ``shell,v2`` with exit codes, and ``sync``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

VERSION, MAX_DATA = 0x01000001, 1 << 18
BANNER = b"device::ro.product.name=double;ro.product.model=Double;features=shell_v2,cmd"
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)


class Stream:
    """One stream of a connection; what it writes waits for the other side's OKAY."""

    def __init__(self, link: Link, own: int, other: int) -> None:
        self._link = link
        self.own, self.other = own, other
        self._ready = threading.Semaphore(0)
        self._received = bytearray()
        self._news = threading.Condition()
        self._is_closed = False

    def accepted(self) -> None:
        self._ready.release()

    def feed(self, data: bytes) -> None:
        with self._news:
            self._received += data
            self._news.notify_all()
        self._link.send(b"OKAY", self.own, self.other)

    def end(self) -> None:
        with self._news:
            self._is_closed = True
            self._news.notify_all()
        self._ready.release()

    def read(self, size: int) -> bytes:
        """So many bytes; fewer where the other side closed the stream."""
        with self._news:
            self._news.wait_for(lambda: len(self._received) >= size or self._is_closed)
            data = bytes(self._received[:size])
            del self._received[:size]
            return data

    def write(self, data: bytes) -> None:
        for begin in range(0, len(data), MAX_DATA):
            if not self._is_closed:
                self._link.send(b"WRTE", self.own, self.other, data[begin : begin + MAX_DATA])
                self._ready.acquire()

    def close(self) -> None:
        self._link.send(b"CLSE", self.own, self.other)


class Link:
    """One connection of an adb server."""

    def __init__(self, link: socket.socket, variables: Mapping[str, str]) -> None:
        self._socket = link
        self._variables = dict(variables)
        self._lock = threading.Lock()
        self._streams: dict[int, Stream] = {}

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        number = int.from_bytes(command, "little")
        head = struct.pack("<6I", number, first, second, len(data), 0, number ^ 0xFFFFFFFF)
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(head + data)

    def serve(self) -> None:
        """Answer until the connection ends."""
        while len(head := self._exactly(24)) == 24:
            number, first, second, size, _, _ = struct.unpack("<6I", head)
            data, command = self._exactly(size), number.to_bytes(4, "little")
            if command == b"CNXN":
                self.send(b"CNXN", VERSION, MAX_DATA, BANNER)
            elif command == b"OPEN":
                stream = Stream(self, len(self._streams) + 1, first)
                self._streams[stream.own] = stream
                self.send(b"OKAY", stream.own, first)
                service = data.rstrip(b"\0").decode()
                threading.Thread(target=self._run, args=(stream, service), daemon=True).start()
            elif (stream := self._streams.get(second)) is not None:
                if command == b"OKAY":
                    stream.accepted()
                elif command == b"WRTE":
                    stream.feed(data)
                elif command == b"CLSE":
                    stream.end()
        for stream in self._streams.values():
            stream.end()

    def _exactly(self, size: int) -> bytes:
        data = b""
        with contextlib.suppress(OSError):
            while len(data) < size and (more := self._socket.recv(size - len(data))):
                data += more
        return data

    def _run(self, stream: Stream, service: str) -> None:
        kind, _, rest = service.partition(":")
        if kind.startswith("shell"):
            run_shell(stream, rest, self._variables)
        elif kind == "sync":
            receive_files(stream)
        stream.close()


def run_shell(stream: Stream, script: str, variables: Mapping[str, str]) -> None:
    """The service ``shell,v2,raw``: packets of one byte, a length, and data."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=pipe, stdout=pipe, stderr=pipe, env=dict(variables)
    )

    def feed() -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            while len(head := stream.read(5)) == 5:
                data = stream.read(int.from_bytes(head[1:], "little"))
                if head[0] == CLOSE_STDIN:
                    break
                if head[0] == STDIN:
                    process.stdin.write(data)
                    process.stdin.flush()
            process.stdin.close()

    def pump(number: int, descriptor: int) -> None:
        while data := os.read(descriptor, 1 << 14):
            stream.write(bytes([number]) + len(data).to_bytes(4, "little") + data)

    threading.Thread(target=feed, daemon=True).start()
    assert process.stdout is not None
    assert process.stderr is not None
    pumps = [
        threading.Thread(target=pump, args=(number, file.fileno()))
        for number, file in ((STDOUT, process.stdout), (STDERR, process.stderr))
    ]
    with process.stdout, process.stderr:
        for one in pumps:
            one.start()
        for one in pumps:
            one.join()
    code = process.wait()
    # As a shell reports the signal that ended its program.
    code = 128 - code if code < 0 else code
    stream.write(bytes([EXIT]) + (1).to_bytes(4, "little") + bytes([code]))


def receive_files(stream: Stream) -> None:
    """The service ``sync``: STAT and SEND."""
    while len(head := stream.read(8)) == 8:
        command, size = head[:4], int.from_bytes(head[4:], "little")
        if command == b"STAT":
            path = Path(stream.read(size).decode())
            facts = path.stat() if path.exists() else None
            numbers = (facts.st_mode, facts.st_size, int(facts.st_mtime)) if facts else (0, 0, 0)
            stream.write(b"STAT" + struct.pack("<3I", *numbers))
        elif command == b"SEND":
            path, _, mode = stream.read(size).decode().rpartition(",")
            content = bytearray()
            while (part := stream.read(8))[:4] == b"DATA":
                content += stream.read(int.from_bytes(part[4:], "little"))
            try:
                Path(path).write_bytes(content)
                Path(path).chmod(int(mode) & 0o777)
                stream.write(b"OKAY" + bytes(4))
            except OSError as error:
                reason = f"couldn't create file: {error.strerror}".encode()
                stream.write(b"FAIL" + len(reason).to_bytes(4, "little") + reason)
        else:  # QUIT
            return


class Daemon:
    """A device at a port of loopback, until `close`."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Start it.

        Args:
            variables: of every shell, all of them.
        """
        self._server = socket.create_server(("127.0.0.1", 0))
        self._variables = variables
        self._links: list[socket.socket] = []
        self.serial = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._server.accept()
                self._links.append(link)
                threading.Thread(target=Link(link, self._variables).serve, daemon=True).start()

    def cut(self) -> None:
        """Break the connections, as a cable that is pulled."""
        for link in self._links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def close(self) -> None:
        """End it."""
        self._server.close()
        self.cut()
