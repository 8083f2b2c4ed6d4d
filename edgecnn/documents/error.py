"""JSON document of a command that failed."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = "edgecnn.error/1"


@dataclass(frozen=True)
class ErrorDocument:
    """The error of a command that failed or was typed wrongly.

    Attributes:
        error: class of the error: one of edgecnn's, "UsageError", or one of
            Python's where the machine is at fault, as "OSError" of a full disk.
        message: the line that stderr has, without ``edgecnn:``.
        exit_code: of the command.
    """

    error: str
    message: str
    exit_code: int
