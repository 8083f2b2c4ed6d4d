"""Quoting of a shell script for ssh, independent of the board's login shell."""

from __future__ import annotations

import os
import string

# Bytes that sh, csh and fish all take literally within single quotes.
_PLAIN = frozenset(
    (string.ascii_letters + string.digits + ' /.,:;=+-_@#()[]{}<>|&*?~^`$"').encode()
)


def remote_command(script: str) -> str:
    """Command line for ssh that runs a POSIX shell script under any login shell.

    csh ends a quoted word with the line and expands ``!`` in it, fish reads backslashes there. So
    all but plain characters travel as printf's ``\\0ooo``.
    """
    encoded = "".join(
        chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in os.fsencode(script)
    )
    return f"""exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '{encoded}'"""
