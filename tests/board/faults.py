"""Fault injection on the link between a workstation and a board: cuts, silence, delay."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar

ADDRESS = "127.0.0.1"
CHUNK_BYTES = 1 << 14
# What a link holds that takes no more; then whoever writes waits.
CHUNKS_ON_THE_WAY = 16
POLL_S = 0.02

T = TypeVar("T")


class Link:
    """A port on loopback that leads to a board's, over a network that a test can make worse.

    Attributes:
        port: where to connect.
        delay_s: what each byte takes from one end to the other.
        bytes_per_s: in each direction of each connection; None for as many as there are.
        sent_bytes, received_bytes: carried to the board and from it, in all connections.
    """

    def __init__(self, board_port: int, port: int = 0) -> None:
        """Listens already.

        Args:
            port: where; 0 is any that is free.
        """
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.sent_bytes = 0
        self.received_bytes = 0
        self._board_port = board_port
        self._cut_at: int | None = None
        self._is_silent = False
        self._ends: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._connected, ADDRESS, port))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection; new ones are possible."""
        self._call(self._break())

    def cut_after(self, count: int) -> None:
        """Every connection breaks once, when so many more bytes have gone to the board."""
        self._cut_at = self.sent_bytes + count

    def fall_silent(self) -> None:
        """Stop carrying data without closing either end, as a pulled cable does."""
        self._is_silent = True

    def close(self) -> None:
        """Stop listening and break every connection."""
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _break(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, near: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        ends = [client]
        self._ends.add(client)
        try:
            far, board = await asyncio.open_connection(ADDRESS, self._board_port)
            ends.append(board)
            self._ends.add(board)
            await asyncio.gather(
                self._carry(near, board, self._to_board), self._carry(far, client, self._to_client)
            )
        except (OSError, asyncio.CancelledError):
            pass  # one end is gone, or the link itself is closed: so shall be the other end
        finally:
            for end in ends:
                end.transport.abort()
                self._ends.discard(end)

    async def _carry(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        admit: Callable[[bytes], bytes],
    ) -> None:
        """All that `source` says has reached `target`, each byte after the link's delay."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_ON_THE_WAY)

        async def take_in() -> None:
            data = b"begin"
            while data:
                data = await source.read(CHUNK_BYTES)
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                await on_the_way.put((time.monotonic() + self.delay_s, data))

        async def hand_out() -> None:
            while True:
                due, data = await on_the_way.get()
                await asyncio.sleep(due - time.monotonic())
                while self._is_silent:
                    await asyncio.sleep(POLL_S)
                if not data:
                    target.write_eof()
                    return
                admitted = admit(data)
                target.write(admitted)
                await target.drain()
                if len(admitted) < len(data):
                    await self._break()

        await asyncio.gather(take_in(), hand_out())

    def _to_board(self, data: bytes) -> bytes:
        """What still goes through of it, counted."""
        if self._cut_at is not None and self.sent_bytes + len(data) > self._cut_at:
            data = data[: self._cut_at - self.sent_bytes]
            self._cut_at = None
        self.sent_bytes += len(data)
        return data

    def _to_client(self, data: bytes) -> bytes:
        self.received_bytes += len(data)
        return data


@contextlib.contextmanager
def linked(board_port: int, port: int = 0) -> Iterator[Link]:
    """A link for as long as the context lasts."""
    link = Link(board_port, port)
    try:
        yield link
    finally:
        link.close()


def wait_until(claim: Callable[[], bool], limit_s: float, what: str) -> float:
    """Seconds until `claim` held.

    Raises:
        AssertionError: it did not within the limit; says `what`.
    """
    begin = time.monotonic()
    while not claim():
        if time.monotonic() - begin > limit_s:
            raise AssertionError(f"not within {limit_s:g} s: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - begin
