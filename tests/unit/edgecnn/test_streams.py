"""stdout and stderr of the command line in real processes: any text, full disks, closed pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.exit_codes import FAILED, PIPE_CLOSED

PRINT = """
import sys
from edgecnn.cli import cli, main
import click

@cli.command("say")
def say():
    import rich.console
    from edgecnn.console import print_json, print_table, table
    {body}

cli.get_command = lambda context, name: say
main(["say"])
"""
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")


def command(body: str) -> list[str]:
    return [sys.executable, "-c", PRINT.format(body=body.replace("\n", "\n    "))]


def run(body: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | variables
    return subprocess.run(command(body), capture_output=True, check=False, env=environment)


# In ASCII, for an interpreter whose locale has nothing else.
ODD = "click.echo({!a})".format("1×2 … \udcff ü ✓")


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "1×2 … \\xff ü ✓\n".encode()),
        ("ascii", b"1x2 ... \\xff \\xfc y\n"),
        ("latin-1", b"1\xd72 ... \\xff \xfc y\n"),
    ],
)
def test_what_an_encoding_lacks_is_spelt_out(encoding: str, expected: bytes) -> None:
    ran = run(ODD, PYTHONIOENCODING=encoding)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, expected, b"")


def test_the_locale_of_nothing_but_ascii_is_no_failure() -> None:
    ran = run(ODD, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (ran.returncode, ran.stdout) == (0, b"1x2 ... \\xff \\xfc y\n")


def test_the_frame_of_a_table_is_drawn_in_ascii() -> None:
    body = 'shown = table(["a…"])\nshown.add_row("b → \\udcff")\nprint_table(shown)'
    ran = run(body, PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.isascii()
    assert b"b -> \\xff" in ran.stdout


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("utf-8", "ü", '"ü"'),
        ("utf-8", "\\udcff", '"\\udcff"'),
        ("ascii", "ü…", '"\\u00fc\\u2026"'),
    ],
)
def test_json_stays_json(encoding: str, text: str, expected: str) -> None:
    ran = run(f'print_json("s", {{"name": "{text}"}})', PYTHONIOENCODING=encoding)
    assert ran.returncode == 0, ran.stderr
    assert f'"name": {expected}' in ran.stdout.decode()


BODIES = {
    "click": 'click.echo("result")',
    "table": 'print_table(table(["result"]))',
    "json": 'print_json("s", {})',
    "print": 'print("result")',
}


@needs_full
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_full_disk_under_stdout_is_one_line_and_no_success(body: str) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command(body), stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == FAILED
    assert ran.stderr == (
        b"edgecnn: the result cannot be written on stdout: no space left on device; "
        b"send it to another place\n"
    )


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_reader_that_has_gone_ends_the_command_in_silence(body: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(command(body), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (PIPE_CLOSED, b"")


def test_a_closed_stdout_is_no_success_and_no_file_takes_its_place() -> None:
    body = 'import os\nassert os.open(os.devnull, os.O_RDONLY) > 2\nclick.echo("result")'
    ran = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&- <&-', "sh", *command(body)],
        stderr=subprocess.PIPE,
        check=False,
    )
    assert ran.returncode == FAILED
    assert b"cannot be written on stdout: bad file descriptor" in ran.stderr


@needs_full
@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-"])
def test_messages_that_cannot_be_written_are_no_failure(redirected: str) -> None:
    body = 'click.echo("a note", err=True)\nprint("more", file=sys.stderr)\nclick.echo("result")'
    ran = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh", *command(body)],
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, b"result\n")


def test_a_full_pipe_that_does_not_block_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    body = 'for _ in range(2000): click.echo("x" * 99)'
    with subprocess.Popen(command(body), stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            read = stream.read()
        assert process.stderr is not None
        assert (process.wait(), process.stderr.read()) == (0, b"")
    assert len(read) == 200_000
