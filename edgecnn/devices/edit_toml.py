"""Editing a user's TOML file in place: comments, order and blank lines stay."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.devices.toml_fields import read_toml
from edgecnn.errors import DeviceConfigInvalid

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


@contextlib.contextmanager
def edited(path: Path, header: str) -> Iterator[TOMLDocument]:
    """A file as a document to change; written whole when the block ends, one process at a time.

    Args:
        header: what a file that is not there yet begins with.

    Raises:
        DeviceConfigInvalid: it cannot be read or written; it is as it was.
    """
    import tomlkit

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f".{path.name}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                read_toml(path)
                document = tomlkit.parse(path.read_text(encoding="utf-8"))
            else:
                document = tomlkit.parse(header)
            yield document
            # A link to the file, as people keep such files elsewhere, stays one.
            target = path.resolve()
            part = target.with_name(f".{target.name}.part")
            try:
                part.write_text(document.as_string(), encoding="utf-8")
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
    except UnicodeEncodeError as error:
        raise DeviceConfigInvalid(
            f"cannot write {path}: {error.object[error.start - 20 : error.end]!r} is not UTF-8; "
            "give the file another name"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DeviceConfigInvalid(
            f"cannot write {path}: {reason}; EDGECNN_CONFIG names another folder"
        ) from error


def take_out(document: TOMLDocument, name: str) -> None:
    """Remove the table `name` from the document.

    `TOMLDocument.remove` would take the comments above the next table along: it counts them as the
    end of this one.
    """
    body: list[Any] = document.body
    for index, (key, item) in reversed(list(enumerate(body))):
        if key is not None and key.key == name:
            body[index : index + 1] = _after_last_key(item)


def _after_last_key(item: Any) -> list[Any]:
    """The comments and blank lines at the end of a table."""
    after: list[Any] = []
    for key, inner in reversed(getattr(getattr(item, "value", None), "body", [])):
        if key is not None:
            return _after_last_key(inner) + after
        after.insert(0, (key, inner))
    return after
