"""A bundle that is changed in place: it is replaced only while it is the one that was read."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edgecnn_runtime.errors import OutputNotWritable

Identity = tuple[int, ...]


def identity_of(path: Path) -> Identity | None:
    """What tells a file from its successor at the same path; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def unchanged(bundle: Path, identity: Identity | None, output: Path) -> Iterator[None]:
    """Keep other commands from replacing `bundle` in the block, where the block replaces it.

    Args:
        identity: of the bundle, from before it was read.
        output: what the block writes; nothing is checked where that is another file.

    Raises:
        OutputNotWritable: the bundle is no longer what was read.
    """
    if os.path.realpath(output) != os.path.realpath(bundle):
        yield
        return
    with contextlib.ExitStack() as stack:
        # Whoever waits for the lock of a file that is then replaced finds another one.
        with contextlib.suppress(OSError):
            fcntl.flock(stack.enter_context(bundle.open("rb")), fcntl.LOCK_EX)
        if identity_of(bundle) != identity:
            raise OutputNotWritable(f"{bundle} changed after it was read; run it again")
        yield
