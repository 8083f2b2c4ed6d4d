"""Errors for the messages of ssh, each with a fix."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from edgecnn.devices.events import Ended, agent_failure
from edgecnn.devices.ssh.talk import Reply
from edgecnn.errors import ConnectionLost, DeviceFailed, DeviceUnreachable

SSH_FAILED = 255  # ssh(1), EXIT STATUS; else it is the remote command's

# The longest message first: that of a changed key ends like that of an unknown one.
_UNREACHABLE: Sequence[tuple[str, str]] = (
    (
        r"IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "its host key is not the known one: another machine answers there, or the board was "
        "reinstalled. Only if it was: ssh-keygen -R {known}, then {ssh} and compare the "
        "fingerprint",
    ),
    (
        r"Host key verification failed|No .* host key is known|authenticity of host",
        "its host key is not known, and edgecnn accepts no new key by itself; connect once by "
        "hand and compare the fingerprint: {ssh}",
    ),
    (
        r"Permission denied \(|Too many authentication failures",
        "it refuses the login (edgecnn asks for no password); give it your key: {copy_id}; a key "
        "with a passphrase needs ssh-agent: ssh-add",
    ),
    (
        r"Could not resolve hostname",
        "no host has that name; check the spelling, or use its address",
    ),
    (
        r"Connection refused",
        "no ssh server answers there; on the board: sudo systemctl enable --now ssh",
    ),
    (
        r"timed out|No route to host|Network is unreachable|Host is down",
        "it does not answer; check that it is on, in the same network, and its address",
    ),
    (
        r"kex_exchange_identification|banner exchange|Connection (closed|reset)",
        "it ended the connection before the login: it is still booting, or refuses this machine, "
        "or has no ssh on that port; wait a minute, then: {ssh}",
    ),
)


def unreachable(name: str, target: str, port: int | None, reply: Reply) -> DeviceUnreachable:
    """Error of a connection that could not be opened."""
    begin = f"{name} ({target}) cannot be reached:"
    where = f"-p {port} {target}" if port else target
    host = target.rpartition("@")[2]
    if reply.is_timed_out:
        return DeviceUnreachable(
            f"{begin} the login did not finish in time; try: ssh {where}", device=name
        )
    if reply.code != SSH_FAILED:
        words = reply.last_line or f"exit code {reply.code} and nothing else"
        return DeviceUnreachable(
            f"{begin} the login works, but no command runs; its last line: {words}; "
            f"try: ssh {where} id",
            device=name,
        )
    # As ssh itself advises: with the port, and under the name that known_hosts has.
    advised = re.search(r"-R \"?([^\"\s]+)\"?", reply.stderr)
    known = advised[1] if advised else f"[{host}]:{port}" if port else host
    for pattern, advice in _UNREACHABLE:
        if re.search(pattern, reply.stderr):
            words = advice.format(
                ssh=f"ssh {where}", copy_id=f"ssh-copy-id {where}", known=shlex.quote(known)
            )
            return DeviceUnreachable(f"{begin} {words}", device=name)
    words = reply.last_line or "ssh printed nothing"
    return DeviceUnreachable(f"{begin} {words}; try: ssh {where}", device=name)


def lost(name: str) -> ConnectionLost:
    """Error of a connection that was lost."""
    return ConnectionLost(
        f"the connection to {name} broke: the link dropped, or the board went down or rebooted",
        device=name,
    )


def killed(name: str, what: str) -> DeviceFailed:
    """Error of a process that was killed on the board, over a working connection."""
    return DeviceFailed(
        f"{what} on {name} was killed there, probably because the board is out of memory; see "
        "dmesg on the board",
        device=name,
    )


def failure_of(name: str, is_lost: Callable[[], bool]) -> Callable[[Ended], DeviceFailed]:
    """Error that explains the end of an agent on a board.

    Args:
        is_lost: whether the connection that it was reached by is no more.
    """

    def failure(ended: Ended) -> DeviceFailed:
        if ended.exit_code < 0 or (ended.exit_code == SSH_FAILED and is_lost()):
            return lost(name)
        # ssh does not report the signal that ended a command, only that there was no exit code.
        if ended.exit_code == SSH_FAILED:
            return killed(name, "the agent")
        # A shell reports a signal so. The agent itself ends with 1 or 130.
        if ended.exit_code > 128 and ended.exit_code != 130:
            from edgecnn_runtime.host.process import signal_name

            how = signal_name(ended.exit_code - 128)
            return DeviceFailed(f"the agent on {name} was ended by {how}", device=name)
        return agent_failure(ended)

    return failure
