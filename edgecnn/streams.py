"""Standard streams of the command line: characters they lack, full disks, closed pipes.

stdout holds the result: a command that cannot write it there has failed. stderr holds messages:
what cannot be written there is dropped.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from edgecnn.errors import StdoutClosed, StdoutFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# What edgecnn prints beyond ASCII.
PLAIN = {
    "─": "-",
    **{"…": "...", "×": "x", "→": "->", "·": "-", "–": "-", "−": "-", "²": "2", "°": " deg"},
    **{"≤": "<=", "≥": ">=", "≈": "~", "∞": "inf", "√": "sqrt", "✓": "y", "✗": "n", "µ": "u"},
}
ERRORS = "edgecnn.plain"
ASCII = "edgecnn_ascii"
"""The codec ``ascii`` under another name: click writes UTF-8 to a stream of that name."""


def open_streams() -> None:
    """Make stdout and stderr take any text, and fail as this module's docstring says.

    A stream that the caller has closed is opened on the null device, so that no file that is
    opened later takes its number and receives what a library prints.
    """
    codecs.register_error(ERRORS, _spell_out)
    codecs.register(_ascii)
    with contextlib.suppress(OSError):
        if sys.stdin is None:
            os.open(os.devnull, os.O_RDONLY)
    sys.stdout = _opened(sys.stdout, sys.__stdout__, is_result=True)
    sys.stderr = _opened(sys.stderr, sys.__stderr__, is_result=False)


def fits(text: str, stream: TextIO) -> bool:
    """Whether the stream's encoding has all characters of the text."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _Descriptor(io.FileIO):
    """The file descriptor of a standard stream. After a write that fails it drops what comes."""

    def __init__(self, descriptor: int, *, is_result: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._is_result = is_result
        self._is_lost = False

    def write(self, content: ReadableBuffer, /) -> int:
        if not self._is_lost:
            try:
                # None from a pipe that does not block, as node.js gives one, and that is full.
                while (written := super().write(content)) is None:
                    select.select([], [self], [])
                return written
            except OSError as error:
                self._is_lost = True
                if self._is_result:
                    raise _failure(error) from error
        return memoryview(content).nbytes


def _failure(error: OSError) -> StdoutFailed:
    if error.errno == errno.EPIPE:
        return StdoutClosed("whoever read stdout has closed it")
    reason = (error.strerror or str(error)).lower()
    return StdoutFailed(
        f"the result cannot be written on stdout: {reason}; send it to another place"
    )


def _opened(stream: TextIO | None, original: TextIO | None, *, is_result: bool) -> TextIO:
    """The stream on its own descriptor; what a program put in its place is left as it is."""
    if stream is None:
        # Reading from it is allowed and writing fails, as writing to a closed stream does.
        descriptor = os.open(os.devnull, os.O_RDONLY if is_result else os.O_WRONLY)
        encoding, is_terminal = "utf-8", False
    elif stream is original and isinstance(stream, io.TextIOWrapper):
        stream.flush()
        descriptor, encoding, is_terminal = stream.fileno(), stream.encoding, stream.isatty()
    else:
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(descriptor, is_result=is_result)),
        encoding=ASCII if codecs.lookup(encoding).name == "ascii" else encoding,
        errors=ERRORS,
        line_buffering=is_terminal or not is_result,
        write_through=not is_result,
    )


def _ascii(name: str) -> codecs.CodecInfo | None:
    if name != ASCII:
        return None
    own = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name=ASCII,
        encode=own.encode,
        decode=own.decode,
        incrementalencoder=own.incrementalencoder,
        incrementaldecoder=own.incrementaldecoder,
    )


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    """Error handler of an encoder: `PLAIN`, else an escape such as ``\\xe9``."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or _escape(one) for one in lacking), error.end


def _escape(character: str) -> str:
    # The spinner of a progress bar is drawn in Braille.
    if "\u2800" <= character <= "\u28ff":
        return "*"
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name (PEP 383)
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("ascii", "backslashreplace").decode()
