"""Temporary folders and files; a full disk is told as one, whatever a library makes of it."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgecnn_runtime.errors import EdgeCNNError, OutputNotWritable

# More than a file system gives to a file that has no room left in its last block.
PROBE_BYTES = 1 << 16
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO})


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for temporary files, removed when the block ends.

    Raises:
        OutputNotWritable: it cannot be made, or the block fails and the folder takes no more bytes:
            libraries say so in words of their own (OpenVINO: "basic_ios::clear: iostream error").
    """
    with refuse_full_disk(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            yield folder
        except (EdgeCNNError, OSError):
            raise
        except Exception as error:
            if full := _probe(folder):
                raise full from error
            raise


@contextlib.contextmanager
def refuse_full_disk() -> Iterator[None]:
    """Turn the system's errors in a block that writes temporary files into one of ours.

    Raises:
        OutputNotWritable: the disk is full or read-only, or no folder takes temporary files.
    """
    try:
        yield
    except OSError as error:
        # tempfile's own, when it finds no folder, has a sentence of its own.
        is_without = error.errno == errno.ENOENT and "temporary" in str(error.strerror)
        if error.errno not in FULL and not is_without:
            raise
        where = "" if is_without else f" in {tempfile.gettempdir()}"
        raise OutputNotWritable(
            f"cannot keep temporary files{where}: {str(error.strerror).lower()}; free some space, "
            "or name another folder in TMPDIR"
        ) from error


def _probe(folder: Path) -> OSError | None:
    """The error of writing to the folder; None if it takes `PROBE_BYTES`."""
    try:
        with (folder / "probe").open("wb") as stream:
            stream.write(bytes(PROBE_BYTES))
    except OSError as error:
        return error
    return None
