"""Resumable HTTP downloads.

An unfinished download is one file, the part: a line of JSON that says of what, then the first
bytes of it. What is in the part is not trusted; the digest of the whole decides.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO

from edgecnn.errors import SourceFailed
from edgecnn_runtime import __version__
from edgecnn_runtime.errors import first_line

TIMEOUT_S = 20
CHUNK_BYTES = 1 << 16
HEAD_BYTES = 1 << 13

Received = Callable[[int, int | None], None]
Response = http.client.HTTPResponse | urllib.error.HTTPError


@dataclass(frozen=True)
class Begun:
    """State of an unfinished download; `validator` is its server's, for If-Range."""

    validator: str | None
    size_bytes: int


def download(url: str, part: Path, progress: Received, most_bytes: int) -> bool:
    """Fetch `url` into `part`, resuming what is already there if the file is unchanged.

    Args:
        progress: told bytes there and bytes in all (None when the server does not say).
        most_bytes: where a server that sends more is cut off.

    Returns:
        Whether a part that was there was gone on with: such a file may be two files' halves.

    Raises:
        SourceFailed: unreachable, refused, or cut off; what came is kept for the next try.
        OSError: `part` cannot be written.
    """
    begun = _begun(part, url, most_bytes)
    with _open(url, begun) as response:
        if begun and _is_rest(response, begun):
            _save(response, part, begun.size_bytes, progress, most_bytes)
            return True
        if begun and _is_all_there(response, begun):
            return True
        if response.status == 200:
            part.write_bytes(_head(url, response.headers))
            _save(response, part, 0, progress, most_bytes)
            return False
    if begun is None:
        raise SourceFailed(f"HTTP {response.status} to a plain request, expected 200")
    part.unlink()
    return download(url, part, progress, most_bytes)


@contextlib.contextmanager
def open_part(part: Path) -> Iterator[IO[bytes]]:
    """Open what was downloaded into `part`."""
    with part.open("rb") as stream:
        stream.readline()
        yield stream


def _head(url: str, headers: Message) -> bytes:
    return json.dumps({"url": url, "validator": _validator(headers)}).encode() + b"\n"


def _validator(headers: Message) -> str | None:
    """Validator for If-Range: never a weak ETag (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _begun(part: Path, url: str, most_bytes: int) -> Begun | None:
    """State of the download of `url` in `part`; None when it cannot be resumed."""
    if not part.is_file():
        return None
    with part.open("rb") as stream:
        line = stream.readline(HEAD_BYTES)
    try:
        head = json.loads(line)
        is_of_url, validator = head["url"] == url, head["validator"]
    except (ValueError, TypeError, KeyError):
        return None
    size_bytes = part.stat().st_size - len(line)
    is_usable = is_of_url and line.endswith(b"\n") and 0 < size_bytes <= most_bytes
    return Begun(validator, size_bytes) if is_usable else None


def _open(url: str, begun: Begun | None) -> Response:
    headers = {"User-Agent": f"edgecnn/{__version__}"}
    if begun:
        headers["Range"] = f"bytes={begun.size_bytes}-"
        if begun.validator:
            headers["If-Range"] = begun.validator
    request = urllib.request.Request(url, headers=headers)
    try:
        response: Response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
        return response
    except urllib.error.HTTPError as error:
        if error.code == 416 and begun:
            return error
        error.close()
        raise SourceFailed(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        text = first_line(reason) if isinstance(reason, BaseException) else reason
        raise SourceFailed(text) from error


def _is_rest(response: Response, begun: Begun) -> bool:
    """Whether the server sends what the part lacks, of the same file."""
    # Some servers know Range and not If-Range: they send the rest of a file that has changed.
    is_same = _validator(response.headers) in (None, begun.validator)
    start = f"bytes {begun.size_bytes}-"
    return response.status == 206 and is_same and _content_range(response).startswith(start)


def _is_all_there(response: Response, begun: Begun) -> bool:
    """Whether the server has nothing more: the last run ended between two steps."""
    return response.status == 416 and _content_range(response) == f"bytes */{begun.size_bytes}"


def _content_range(response: Response) -> str:
    return str(response.headers.get("Content-Range", ""))


def _save(response: Response, part: Path, there: int, progress: Received, most_bytes: int) -> None:
    length = response.headers.get("Content-Length")
    total = there + int(length) if length else None
    with part.open("ab") as stream:
        while (chunk := _read(response)) and there <= most_bytes:
            stream.write(chunk)
            there += len(chunk)
            progress(there, total)
    if there > most_bytes:
        part.unlink()
        raise SourceFailed(f"sent more than {most_bytes} bytes, discarded")
    if total is not None and there < total:
        raise SourceFailed(f"cut off after {there} of {total} bytes")


def _read(response: Response) -> bytes:
    # An OSError while reading is the line's; one while writing is the disk's, and goes on up.
    try:
        return response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise SourceFailed(first_line(error)) from error
