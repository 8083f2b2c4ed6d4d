"""Lines that engines print on stderr unasked, past Python's `sys.stderr`, and without an option.

LiteRT 2.3 and tflite-runtime 2.14 print the creation of their delegate, once a process. ONNX
Runtime from 1.23 on warns at import where a graphics device has no vendor, as in a container and on
a Raspberry Pi (microsoft/onnxruntime issue 27092).
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator

DELEGATE = re.compile(rb"INFO: Created TensorFlow Lite XNNPACK delegate for CPU\.\s*")
DEVICE_DISCOVERY = re.compile(rb".*device_discovery\.cc.*device discovery failed.*\s*")

_lock = threading.Lock()
_is_kept = threading.Event()
# What is printed once a process, and was.
_past: set[re.Pattern[bytes]] = set()


def keep_unasked_lines() -> None:
    """Leave stderr alone from now on: what is written just before a crash is not lost then."""
    _is_kept.set()


@contextlib.contextmanager
def without_line(unasked: re.Pattern[bytes]) -> Iterator[None]:
    """What is written on stderr inside the block follows after it, without the unasked line.

    Once the line was seen it does not come again, and stderr is left alone.
    """
    if _is_kept.is_set() or unasked in _past:
        yield
        return
    import tempfile

    with _lock, contextlib.ExitStack() as stack:
        try:
            stderr = os.dup(2)
            stack.callback(os.close, stderr)
            written = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # stderr is closed, or there is no folder for temporary files
            yield
            return
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            written.seek(0)
            _pass_on(written.read(), unasked)


def _pass_on(written: bytes, unasked: re.Pattern[bytes]) -> None:
    lines = written.splitlines(keepends=True)
    others = [line for line in lines if not unasked.fullmatch(line)]
    if len(others) < len(lines):
        _past.add(unasked)
    if others:
        with contextlib.suppress(OSError):
            os.write(2, b"".join(others))
