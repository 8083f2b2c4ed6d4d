"""What ssh says when it fails, as an error that says what to type."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from edgecnn.devices.events import Ended, agent_failure
from edgecnn.errors import ConnectionLost, DeviceFailed, DeviceUnreachable

SSH_FAILED = 255  # ssh(1), EXIT STATUS; else it is the remote command's

# Longest story first: a changed key is told in a page that ends as an unknown one does.
_UNREACHABLE: Sequence[tuple[str, str]] = (
    (
        r"IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "its host key is not the one that is known: another machine answers there, or the board "
        "was installed anew. Only if it was: ssh-keygen -R {host}, then ssh {target} and compare "
        "the fingerprint",
    ),
    (
        r"Host key verification failed|No .* host key is known|authenticity of host",
        "its host key is not known, and edgecnn accepts none by itself; once, by hand: ssh "
        "{target} and compare the fingerprint",
    ),
    (
        r"Permission denied|Too many authentication failures",
        "it refuses the login (edgecnn asks for no password); give it your key: ssh-copy-id "
        "{target}",
    ),
    (
        r"Could not resolve hostname",
        "no host of that name is known; check its spelling, or take its address",
    ),
    (
        r"Connection refused",
        "nobody answers ssh there; on the board: sudo systemctl enable --now ssh",
    ),
    (
        r"timed out|No route to host|Network is unreachable|Host is down",
        "it does not answer; check that it is on, in the same network, and its address",
    ),
)
_LOST = re.compile(
    r"closed by remote host|Connection reset|Broken pipe|not responding|Connection to .* closed"
    r"|client_loop|mux_client|Session open refused|read from master failed|ControlSocket"
)


def unreachable(name: str, target: str, stderr: str) -> DeviceFailed:
    """Why no connection came about."""
    host = target.rpartition("@")[2]
    for pattern, advice in _UNREACHABLE:
        if re.search(pattern, stderr):
            words = advice.format(target=target, host=host)
            return DeviceUnreachable(f"{name} ({target}) cannot be reached: {words}")
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if lines and _LOST.search(lines[-1]):
        return lost(name)
    said = lines[-1] if lines else "ssh said nothing"
    return DeviceUnreachable(f"{name} ({target}) cannot be reached: {said}; try: ssh {target}")


def lost(name: str) -> ConnectionLost:
    """The link was there, and is no more."""
    return ConnectionLost(
        f"the connection to {name} broke: the link dropped, or the board went down or rebooted"
    )


def failure_of(name: str) -> Callable[[Ended], DeviceFailed]:
    """What the end of an agent on a board means."""

    def failure(ended: Ended) -> DeviceFailed:
        if ended.exit_code == SSH_FAILED or ended.exit_code < 0:
            return lost(name)
        # A shell's way to tell of a signal. The agent itself ends with 1 or 130.
        if ended.exit_code > 128 and ended.exit_code != 130:
            from edgecnn_runtime.process import signal_name

            how = signal_name(ended.exit_code - 128)
            return DeviceFailed(f"the agent on {name} was ended by {how}")
        return agent_failure(ended)

    return failure
