"""Downloads that go on where they stopped."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from edgecnn.errors import SourceFailed
from edgecnn_runtime import __version__
from edgecnn_runtime.errors import first_line

TIMEOUT_S = 20
CHUNK_BYTES = 1 << 16

Progress = Callable[[int, int | None], None]


def download(url: str, part: Path, progress: Progress) -> bool:
    """Fetch `url` into `part`, going on behind what is already there if the server can.

    Args:
        progress: told bytes there and bytes in all (None when the server does not say).

    Returns:
        Whether a part that was there was gone on with: such a file may be two files' halves.

    Raises:
        SourceFailed: unreachable, refused, or cut off; what came is kept for the next try.
        OSError: `part` cannot be written.
    """
    there = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": f"edgecnn/{__version__}"}
    if there:
        headers["Range"] = f"bytes={there}-"
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            resumed = response.status == 206 and _starts_at(response, there)
            _save(response, part, there if resumed else 0, progress)
            return bool(there) and resumed
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and there:  # the part is as long as the file, or longer: begin anew
            part.unlink()
            return download(url, part, progress)
        raise SourceFailed(f"HTTP {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceFailed(
            first_line(reason if isinstance(reason, Exception) else error)
        ) from error


def _starts_at(response: http.client.HTTPResponse, offset: int) -> bool:
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {offset}-")


def _save(response: http.client.HTTPResponse, part: Path, offset: int, progress: Progress) -> None:
    length = response.headers.get("Content-Length")
    total = offset + int(length) if length else None
    with part.open("ab" if offset else "wb") as stream:
        there = offset
        while chunk := _read(response):
            stream.write(chunk)
            there += len(chunk)
            progress(there, total)
    if total is not None and there < total:
        raise SourceFailed(f"cut off after {there} of {total} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    # An OSError while reading is the line's; one while writing is the disk's, and goes on up.
    try:
        return response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise SourceFailed(first_line(error)) from error
