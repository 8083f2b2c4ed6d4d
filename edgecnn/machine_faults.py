"""Faults of the machine in one line: full disks, read-only folders, too many open files, no memory.

Where a file is known the code that writes it says more (`OutputNotWritable` and its like); this is
for the rest, such as the folder for temporary files. Other errors of the system are bugs.
"""

from __future__ import annotations

import errno
from pathlib import Path

_ROOM = "free some space; TMPDIR and EDGECNN_CACHE name other folders"
ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _ROOM),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "it must be writable; TMPDIR and EDGECNN_CACHE name other folders",
    ),
    errno.EIO: "look at the disk and the system's log",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "ulimit -n allows more"),
    **dict.fromkeys((errno.ENOMEM, errno.EAGAIN), "end other programs, or allow this one more"),
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ESTALE: "mount the network's disk again",
}
"""What to do, by the number of the system's error."""


def machine_fault(error: OSError | MemoryError) -> str | None:
    """The line for a fault of the machine; None for any other error of the system."""
    if isinstance(error, MemoryError):
        return "out of memory; end other programs, or allow this one more"
    if error.errno not in ADVICE:
        return _no_folder(error)
    # Without a name it is a stream that was open: a file of ours names itself, so a temporary one.
    where = "the folder for temporary files" if error.filename is None else error.filename
    return f"{where}: {str(error.strerror).lower()}; {ADVICE[error.errno]}"


def _no_folder(error: OSError) -> str | None:
    """The line where no folder takes temporary files, or the working folder was removed."""
    if error.errno != errno.ENOENT:
        return None
    if "temporary directory" in str(error.strerror):
        return f"{str(error.strerror).lower()}; {_ROOM}"
    try:
        Path.cwd()
    except FileNotFoundError:
        return "the folder that this runs in was removed; change to another"
    return None
