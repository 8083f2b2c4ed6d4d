"""Cache of the package index's answers, so that a second bench asks nothing."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecnn.devices.wheels.index import IndexUnreachable
from edgecnn.fetch import cache_folder

MAX_AGE_S = 7 * 24 * 3600.0
FORMAT = 1
"""Format of the answers; an answer in another format is asked for again."""


def remembered(question: str, ask: Callable[[], Any]) -> Any:
    """The JSON value that `ask` returned for this question, not longer than `MAX_AGE_S` ago.

    Without a connection an older answer serves.

    Raises:
        IndexUnreachable: `ask` raised it, and there is no answer.
    """
    key = hashlib.sha256(f"{FORMAT} {question}".encode()).hexdigest()
    path = cache_folder() / "wheels" / "answers" / f"{key[:32]}.json"
    old = _read(path, question)
    if old is not None and 0 <= time.time() - old["at"] < MAX_AGE_S:
        return old["answer"]
    try:
        answer = ask()
    except IndexUnreachable:
        if old is None:
            raise
        return old["answer"]
    _write(path, {"question": question, "at": time.time(), "answer": answer})
    return answer


def _read(path: Path, question: str) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        is_whole = kept["question"] == question and isinstance(kept["at"], float)
        return kept if is_whole and "answer" in kept else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, kept: dict[str, Any]) -> None:
    """Write a file completely or not at all; a cache that cannot be written is no failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
            part = Path(folder) / path.name
            part.write_text(json.dumps(kept), encoding="utf-8")
            part.replace(path)
    except OSError:
        return
