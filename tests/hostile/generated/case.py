"""A hostile input: how it is made, and what of edgecnn it is given to."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from conftest import MODELS, OFFSET, SCALE, contents, red_image

import edgecnn_runtime as edge
from edgecnn_runtime.bundle import ArtefactContent, Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.parity.verify import verify

Random = np.random.Generator
Document = dict[str, Any]
Members = dict[str, bytes]
# Makes an input in a folder, and returns what is then done with it.
Make = Callable[[Random, Path], Callable[[], None]]

# Characters above ASCII that steer a terminal or turn the direction of text.
STEERING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\x9b\x9d"
IMAGE = red_image(4, 4)
FEED = (IMAGE.transpose(2, 0, 1)[None].astype(np.float32)) / 255
ANSWER = FEED.mean(axis=(2, 3)) * SCALE + OFFSET


class WronglyLoaded(Exception):
    """An input that must be refused was taken, or gave another answer than it may."""


@dataclass(frozen=True)
class Kind:
    """One kind of hostile input.

    Attributes:
        count: how many of it are made in a full run.
    """

    name: str
    make: Make
    count: int = 25


def sound(engine: str = "onnxruntime") -> tuple[Document, Members]:
    """The manifest and the other files of a sound bundle for one engine."""
    document, members = _sound(engine)
    return json.loads(document), dict(members)


@cache
def _sound(engine: str) -> tuple[bytes, Members]:
    format, build = MODELS[engine]
    built = build()
    model = built if isinstance(built, ArtefactContent) else ArtefactContent(built, None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound.edge")
        write_bundle(path, *contents(format, model.model, model.weights))
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    return members.pop("manifest.json"), members


def open_and_run(path: Path, *, must_refuse: bool = False) -> None:
    """Open a bundle as an app does, and hold its answers to those of the sound one.

    Raises:
        EdgeCNNError: it is refused.
        WronglyLoaded: it is not, and should be, or answers otherwise.
    """
    with edge.open(path) as session:
        names = [spec.name for spec in session.manifest.inputs]
        outputs = session.run(dict.fromkeys(names, FEED))
        if session.manifest.postprocess is not None:
            session.classify(IMAGE)
    if must_refuse:
        raise WronglyLoaded("it was opened and run")
    check(outputs)


def check(outputs: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Hold answers to those of the sound bundle."""
    for found in outputs.values():
        if found.shape != ANSWER.shape or not np.allclose(found, ANSWER, atol=1e-4):
            raise WronglyLoaded(f"the answer is {np.ravel(found)[:4]}")


def no_plain_file(random: Random, path: Path) -> Path:
    """A named pipe, a folder, a link to itself or nothing at `path`, or a device elsewhere."""
    which = int(random.integers(8))
    if which == 0:
        os.mkfifo(path)
    elif which == 1:
        path.mkdir()
    elif which == 2:
        path.symlink_to(path)
    elif which == 3:
        path.write_bytes(b"")
    else:
        path = Path(("/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem")[which - 4])
    return path


def verified(path: Path) -> None:
    """Verify a bundle in this process, all golden arrays included.

    Raises:
        EdgeCNNError: it is refused, or an artefact answers otherwise than the bundle says.
    """
    with Bundle(path) as bundle:
        rows = verify(bundle, ("onnxruntime",))
    wrong = [row for row in rows if row.verdict not in ("equal", "skipped")]
    if wrong:
        raise EdgeCNNError(f"{wrong[0].subject}: {wrong[0].verdict}")


def command(*arguments: str | Path) -> None:
    """Run `edgecnn ARGUMENTS` in this process, and look at what it prints.

    Raises:
        EdgeCNNError: it is refused, in one line.
        WronglyLoaded: the refusal is no line of its own.
    """
    from edgecnn.cli import main

    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(each) for each in arguments])
        except SystemExit as ended:
            code = ended.code
    printed = out.getvalue() + err.getvalue()
    controls = {c for c in printed if (ord(c) < 32 and c not in "\n\t\r") or c in STEERING}
    if controls:
        raise WronglyLoaded(f"control characters reach the terminal: {controls}")
    if "Traceback" in printed:
        raise AssertionError(printed[-2000:])
    if code:
        lines = err.getvalue().strip().splitlines()
        if code == 1 and len(lines) > 1:
            raise WronglyLoaded(f"the refusal takes {len(lines)} lines")
        raise EdgeCNNError((lines or out.getvalue().split("\n"))[-1][-200:])
    sys.stdout.write(printed[-200:])
