"""The package index, asked through pip: it knows the user's mirrors, proxies and credentials.

Wheels alone are taken: a source distribution would be built, for this machine instead of the board.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.devices.wheels.target import WheelTarget, platforms
from edgecnn.errors import FetchError

TIMEOUT_S = 1200
# pip's error is the same without a wheel and without an answer; only its warnings differ.
_NO_ANSWER = re.compile(
    r"connection broken|Could not fetch URL|ProxyError|SSLError|timed out|Connection refused"
    r"|Temporary failure in name resolution|Max retries exceeded",
    re.I,
)
_NO_MATCH = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)(.*)")


@dataclass(frozen=True)
class Wheel:
    """A file of the index.

    Attributes:
        name: of the package, normalised (PEP 503).
        requires: its requirements, with their markers, as its metadata lists them.
    """

    name: str
    version: str
    file: str
    sha256: str
    requires: tuple[str, ...] = ()


class NoWheel(FetchError):
    """The index has no fitting wheel of a package; `requirement` is the request."""

    def __init__(self, package: str, requirement: str, message: str) -> None:
        super().__init__(f"{package}: {message}")
        self.package = package
        self.requirement = requirement


class IndexUnreachable(FetchError):
    """The index did not answer, or pip is missing."""


def find_wheels(requirements: Sequence[str], *targets: WheelTarget) -> tuple[Wheel, ...]:
    """The best wheel of each requirement, not of what they require; nothing is downloaded.

    Args:
        targets: of one Python; a wheel for any of them will do.

    Raises:
        NoWheel: one of them has none.
        IndexUnreachable: pip cannot ask.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ["--ignore-installed", "--target", folder, "--dry-run", "--report", "-"]
        stdout = _pip("install", [*options, *_options(targets), "--", *requirements])
    try:
        return tuple(map(_wheel, json.loads(stdout)["install"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IndexUnreachable(
            f"pip's report cannot be read ({error!r}); edgecnn needs pip 23 or newer: "
            f"{sys.executable} -m pip install --upgrade pip"
        ) from error


def download_wheel(wheel: Wheel, target: WheelTarget, folder: Path) -> Path:
    """Download exactly this file into `folder` by pip, which checks its digest.

    Raises:
        NoWheel: the index no longer has that file.
        IndexUnreachable: pip cannot ask.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8"
    )
    options = ["--dest", str(folder), "--require-hashes", "--requirement", str(requirements)]
    _pip("download", [*options, *_options([target])])
    requirements.unlink()
    return next(folder.glob("*.whl"))


def _options(targets: Sequence[WheelTarget]) -> list[str]:
    python = targets[0].python
    options = ["--python-version", "{}.{}".format(*python), "--implementation", "cp"]
    for name in ("cp{}{}".format(*python), "abi3", "none"):
        options += ["--abi", name]
    for platform in (one for target in targets for one in platforms(target)):
        options += ["--platform", platform]
    return options


def _pip(command: str, options: Sequence[str]) -> str:
    """Run pip and return its stdout."""
    if importlib.util.find_spec("pip") is None:
        raise IndexUnreachable(
            f"wheels for a board are found by pip, which {sys.executable} does not have; "
            f"{sys.executable} -m ensurepip"
        )
    common = ["--no-deps", "--only-binary=:all:", "--quiet", "--no-input", "--retries", "1"]
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pip", command, *common, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise IndexUnreachable(f"pip took more than {TIMEOUT_S} s") from error
    if ran.returncode == 0:
        return ran.stdout
    lines = [line.strip() for line in ran.stderr.splitlines() if line.strip()]
    message = lines[-1].removeprefix("ERROR: ") if lines else f"exit code {ran.returncode}"
    missing = _NO_MATCH.search(ran.stderr)
    if unanswered := next((line for line in lines if _NO_ANSWER.search(line)), None):
        raise IndexUnreachable(f"the package index does not answer pip: {unanswered[:300]}")
    if missing:
        raise NoWheel(_normalised(missing[1]), missing[1] + missing[2], message)
    raise IndexUnreachable(f"pip failed: {message[:300]}")


def _wheel(item: Mapping[str, Any]) -> Wheel:
    metadata, download = item["metadata"], item["download_info"]
    return Wheel(
        name=_normalised(metadata["name"]),
        version=metadata["version"],
        file=download["url"].partition("#")[0].rpartition("/")[2],
        sha256=download["archive_info"]["hashes"]["sha256"],
        requires=tuple(metadata.get("requires_dist", ())),
    )


def _normalised(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
