"""A shell script as one word that every login shell passes on as it is."""

from __future__ import annotations

import os
import string

# What none of sh, csh and fish reads anything into, within single quotes.
_PLAIN = frozenset(
    (string.ascii_letters + string.digits + ' /.,:;=+-_@#()[]{}<>|&*?~^`$"').encode()
)


def remote_command(script: str) -> str:
    """What runs a POSIX shell script whatever the login shell is: sshd hands it to that one.

    csh ends a quoted word with the line and expands ``!`` in it, fish reads backslashes there. So
    all but plain characters travel as printf's ``\\0ooo``.
    """
    encoded = "".join(
        chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in os.fsencode(script)
    )
    return f"""exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '{encoded}'"""
