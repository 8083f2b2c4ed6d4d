"""Progress protocols of a long job: the share done, its steps, and lines for a person."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the share of a job that is done, 0 to 1."""

    def __call__(self, done: float, /) -> None: ...


class StepProgress(Protocol):
    """Called with the name of a step; returns the progress of that step."""

    def __call__(self, step: str, /) -> Progress: ...


class Announce(Protocol):
    """Called with a line: the stage of a job as it begins, or a message for a person."""

    def __call__(self, line: str, /) -> None: ...


def no_progress(done: float, /) -> None:
    """Ignore the progress of a job."""


def no_steps(step: str, /) -> Progress:
    """Ignore the progress of a job's steps."""
    return no_progress


def no_lines(line: str, /) -> None:
    """Ignore the lines of a job."""
