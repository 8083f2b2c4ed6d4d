"""A board that cannot be reached says why; what lies between it and us does not matter."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from board.faults import wait_until
from board.sshd import ADDRESS, Server, free_port
from unit.edgecnn.devices.ssh.conftest import Reach

from edgecnn.devices.ssh import SshBoard
from edgecnn.errors import DeviceConfigInvalid, DeviceUnreachable

SHELLS = ("bash", "dash", "tcsh", "fish", "ksh", "zsh")


def refusal(board: SshBoard) -> str:
    with pytest.raises(DeviceUnreachable) as caught:
        board.facts()
    assert type(caught.value) is DeviceUnreachable
    return str(caught.value)


def test_a_board_tells_what_it_is(server: Server, reach: Reach) -> None:
    server.start()
    assert reach().facts().kernel


def test_a_host_key_that_is_not_known_is_refused_and_stays_unknown(
    server: Server, reach: Reach
) -> None:
    server.start()
    server.know()
    said = refusal(reach())
    assert "host key is not known" in said
    assert f"ssh -p {server.port} {server.target}" in said
    assert (server.folder / "known_hosts").read_text() == ""


@pytest.mark.parametrize("laxity", ["no", "accept-new"])
def test_the_users_own_laxity_does_not_count(server: Server, reach: Reach, laxity: str) -> None:
    server.start()
    server.know()
    server.configure_client(f"StrictHostKeyChecking {laxity}")
    assert "host key is not known" in refusal(reach())
    assert (server.folder / "known_hosts").read_text() == ""


def test_a_host_key_that_has_changed_is_a_danger_and_is_told_as_one(
    server: Server, reach: Reach
) -> None:
    server.start()
    server.make_key("other")
    server.know(server.folder / "other.pub")
    said = refusal(reach())
    assert "host key is not the known one" in said
    assert "another machine" in said
    assert f"ssh-keygen -R '[{ADDRESS}]:{server.port}'" in said


def test_a_login_that_is_refused_says_how_to_bring_a_key(server: Server, reach: Reach) -> None:
    server.start()
    (server.folder / "authorized_keys").write_text("")
    assert f"ssh-copy-id -p {server.port} {server.target}" in refusal(reach())


def test_a_key_that_asks_for_its_passphrase_is_told_as_a_login_refused(
    server: Server, reach: Reach
) -> None:
    server.start()
    key = server.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True)
    assert "it refuses the login" in refusal(reach())


def test_a_port_where_nobody_listens(reach: Reach) -> None:
    assert "no ssh server answers there" in refusal(reach(port=free_port()))


def test_a_name_that_does_not_resolve(reach: Reach) -> None:
    assert "no host has that name" in refusal(reach("pi@no-such-board.invalid"))


def test_a_board_that_takes_the_connection_and_says_nothing(
    server: Server, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_SSH", f"{server.ssh} -o ConnectTimeout=1")
    with socket.create_server((ADDRESS, 0)) as mute:
        assert "it does not answer" in refusal(reach(port=mute.getsockname()[1]))


def test_a_server_that_is_no_ssh(server: Server, reach: Reach) -> None:
    with socket.create_server((ADDRESS, 0)) as web:

        def answer() -> None:
            connection, _ = web.accept()
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        assert "has no ssh on that port" in refusal(reach(port=web.getsockname()[1]))


def test_a_machine_without_ssh(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_SSH", "/no/such/ssh")
    assert "sudo apt install openssh-client" in refusal(reach())


def test_a_configuration_that_ssh_does_not_read_is_quoted(server: Server, reach: Reach) -> None:
    server.start()
    server.configure_client("NoSuchOption yes")
    assert "bad configuration option" in refusal(reach()).lower()


@pytest.mark.parametrize("target", ["-oProxyCommand=touch", "a b", "a\nb", "", "pi@-x", "a;b"])
def test_what_ssh_or_a_shell_could_misread_is_refused(target: str) -> None:
    with pytest.raises(DeviceConfigInvalid):
        SshBoard("rpi", target)


def test_an_account_without_a_shell_is_told_in_its_own_words(server: Server, reach: Reach) -> None:
    server.start("ForceCommand echo This account is not available.; exit 1")
    assert "no command runs; its last line: This account is not available." in refusal(reach())


@pytest.mark.parametrize("stream", ["1", "2"])
def test_what_a_login_script_prints_does_not_matter(
    server: Server, reach: Reach, stream: str
) -> None:
    greeting = f"seq 100000 >&{stream}; printf 'no newline' >&{stream}"
    server.start(f'ForceCommand {greeting}; eval "$SSH_ORIGINAL_COMMAND"')
    assert reach().facts().kernel


@pytest.mark.parametrize("shell", SHELLS)
def test_whatever_the_login_shell_is(server: Server, reach: Reach, shell: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here; apt install {shell}")
    server.start(f'ForceCommand exec {path} -c "$SSH_ORIGINAL_COMMAND"')
    connection = reach()._connection
    hostile = "a'b\"c\\d\\n$HOME`id`!!%s\té\n  *"
    assert connection.run(f"printf '%s' {shlex.quote(hostile)}") == hostile


@pytest.mark.parametrize(
    "lines",
    [
        ["RemoteCommand echo mine"],
        ["ControlMaster auto", "ControlPath ~/.ssh/%C", "ControlPersist yes"],
        ["LocalForward {port} 127.0.0.1:1", "ExitOnForwardFailure yes"],
        ["RequestTTY force"],
        ["LogLevel DEBUG3"],
        ["PermitLocalCommand yes", "LocalCommand echo local"],
    ],
)
def test_what_the_user_has_configured_for_the_terminal_does_not_matter(
    server: Server, reach: Reach, lines: list[str]
) -> None:
    server.start()
    server.configure_client(*(line.format(port=free_port()) for line in lines))
    board = reach()
    assert board.facts().kernel
    assert board._connection.run("cat", lambda pipe: pipe.write(b"x" * 10)) == "x" * 10  # type: ignore[arg-type,return-value]


def test_a_quiet_configuration_does_not_hide_the_reason(server: Server, reach: Reach) -> None:
    server.start()
    server.configure_client("LogLevel QUIET")
    server.know()
    assert "host key is not known" in refusal(reach())


def test_a_server_that_allows_one_session_a_connection(server: Server, reach: Reach) -> None:
    server.start("MaxSessions 1")
    assert reach().facts().kernel


@pytest.mark.parametrize("name", ["with blanks", "100%C", "l" * 80, 'quo"te'])
def test_wherever_temporary_files_lie(
    server: Server, reach: Reach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server.start()
    folder = Path("/tmp") / name if len(name) < 50 else tmp_path / name
    folder.mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    try:
        board = reach()
        assert board.facts().kernel
        board.close()
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


def test_closing_ends_the_connection_and_all_that_it_started(server: Server, reach: Reach) -> None:
    server.start()
    board = reach()
    board.facts()
    assert server.sessions()
    board.close()
    board.close()
    wait_until(lambda: not server.sessions(), 10, "its processes end")
