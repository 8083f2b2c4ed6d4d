"""Boards over plain SSH: the system's `ssh`, with the user's own keys, configuration and hosts."""

from edgecnn.devices.ssh.board import SshBoard

__all__ = ["SshBoard"]
