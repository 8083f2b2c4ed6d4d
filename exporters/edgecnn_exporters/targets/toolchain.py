"""Vendor toolchains: where they are, which version, under which licence, and how to run them.

A toolchain is a Python package with a compiler or a simulator. It lies in edgecnn's own interpreter
or, where it needs other versions of shared packages, in one that an environment variable names. It
always runs in a process of its own: a crash of a vendor's compiler is an error message.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgecnn_exporters.errors import CompilerFailed, CompilerMissing, LicenceNotAccepted
from edgecnn_exporters.targets.tool_process import Ended, run_to_end
from edgecnn_runtime.install_hint import install_hint

# Larger networks take the slowest vendor's compiler minutes.
TIMEOUT_S = 900.0
LICENCES = "EDGECNN_ACCEPT_LICENCES"


@dataclass(frozen=True)
class Toolchain:
    """A vendor's package.

    Attributes:
        name: its name for pip.
        purpose: "compiler" or "simulator" and the like, in words.
        oldest: the oldest version that was tested.
        licence: its SPDX name, or whose terms it is under.
        extra: the extra of edgecnn that installs it; None where it needs an interpreter of its own.
        variable: environment variable with the path of the interpreter that has it.
        size_mb: of its wheel.
        must_accept: it is not run before the user has accepted its licence.
        terms: where its terms can be read.
        commands: what installs it, where that is more than its extra or its name for pip.
    """

    name: str
    purpose: str
    oldest: str
    licence: str
    extra: str | None
    variable: str
    size_mb: int
    must_accept: bool = False
    terms: str = ""
    commands: str = ""

    @property
    def install(self) -> str:
        """The command that installs it."""
        if self.commands:
            return self.commands
        if self.extra is not None:
            return install_hint(self.extra)
        folder = self.name.split("-")[0]
        return (
            f"python3 -m venv {folder} && {folder}/bin/pip install {self.name}, then "
            f"{self.variable}={folder}/bin/python"
        )

    @property
    def python(self) -> str:
        """The interpreter that should have it."""
        return os.environ.get(self.variable) or sys.executable

    def version(self) -> str | None:
        """Its version in `python`; None where it is not installed there."""
        return _version(self.python, self.name)

    def is_accepted(self, accepted: frozenset[str] = frozenset()) -> bool:
        """Whether it may be run: its licence is accepted, here or in the environment, or free."""
        return not self.must_accept or self.name in accepted | _accepted()

    @property
    def how_to_accept(self) -> str:
        """Its licence, and how a user says that it is accepted."""
        return (
            f"{self.licence} ({self.terms}); read it, then say "
            f"--accept-licence {self.name} or set {LICENCES}={self.name}"
        )

    def check(self, accepted: frozenset[str] = frozenset()) -> str:
        """Its version, once it may be run.

        Raises:
            CompilerMissing: it is not installed, or older than `oldest`.
            LicenceNotAccepted: the user has to accept its licence first.
        """
        from packaging.version import InvalidVersion, Version

        version = self.version()
        if version is None:
            raise CompilerMissing(
                f"{self.name} ({self.purpose}) is not installed in {self.python}; {self.install}"
            )
        try:
            is_old = Version(version) < Version(self.oldest)
        except InvalidVersion:
            is_old = False
        if is_old:
            raise CompilerMissing(
                f"{self.name} {version} is older than {self.oldest}, the oldest tested; "
                f"{self.install} --upgrade"
            )
        if not self.is_accepted(accepted):
            raise LicenceNotAccepted(f"{self.name} is under {self.how_to_accept}")
        return version


def _accepted() -> frozenset[str]:
    words = os.environ.get(LICENCES, "").split(",")
    return frozenset(word.strip() for word in words if word.strip())


@cache
def _version(python: str, package: str) -> str | None:
    code = (
        "import sys, importlib.metadata as m\n"
        "try: print(m.version(sys.argv[1]))\n"
        "except m.PackageNotFoundError: pass"
    )
    if python == sys.executable:
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(package)
        except PackageNotFoundError:
            return None
    try:
        ran = subprocess.run(
            [python, "-c", code, package],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout.strip() or None


def run_tool(
    what: str,
    command: Sequence[str | os.PathLike[str]],
    log: Path,
    *,
    folder: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a vendor's program to its end; its stdout. All that it prints is appended to `log`.

    Args:
        what: the program and its task, for the message of an error: "vela for ethos-u55-128".
        environment: variables beside those of this process.

    Raises:
        CompilerFailed: it cannot be started, crashed, ended with an exit code, or ran out of time;
            the message names the log and repeats its last line.
    """
    words = [os.fspath(word) for word in command]
    variables = {**os.environ, **(environment or {})}
    try:
        ran = run_to_end(words, folder=folder, variables=variables, timeout_s=timeout_s)
    except OSError as error:
        raise CompilerFailed(f"{what} cannot be started: {error}") from error
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {' '.join(words)}\n{ran.stdout}{ran.stderr}\n")
    if ran.exit_code is None:
        raise CompilerFailed(f"{what} did not end in {timeout_s:g} s; its messages are in {log}")
    if ran.exit_code:
        raise CompilerFailed(f"{what} {_how(ran)}; its messages are in {log}")
    return ran.stdout


def _how(ran: Ended) -> str:
    """How a program failed: its exit code or signal, and the last line that it printed."""
    from edgecnn_runtime.host.process import signal_name

    code = ran.exit_code or 0
    how = f"died of {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    lines = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "it printed nothing"
    return f"{how}: {last}"
