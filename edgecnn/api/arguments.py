"""Arguments of the Python API, checked by the options of the command line."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from edgecnn.errors import ArgumentInvalid
from edgecnn_runtime.budget import Budget

PathText = str | os.PathLike[str]
Names = str | Sequence[str]
Size = str | int
"""Bytes: a number, ``512M`` or ``2G``."""
# Parameters that take several, where the option is given several times.
PLURALS = {"target": "targets", "engine": "engines", "precision": "precisions"}


def option_of(command: click.Command, flag: str) -> click.Parameter:
    """The option of a command by one of its flags, such as ``--samples``."""
    return next(each for each in command.params if flag in (*each.opts, *each.secondary_opts))


def option_value(
    command: click.Command, parameter: str, value: Any, *, flag: str | None = None
) -> Any:
    """The value of a parameter as the option of that name takes it; None stays None.

    Args:
        flag: of the option, where it has another name than the parameter.

    Raises:
        ArgumentInvalid: a value that the option refuses.
    """
    if value is None:
        return None
    option = option_of(command, flag or flag_of(parameter))
    try:
        return option.type.convert(value, option, click.Context(command))
    except click.BadParameter as error:
        raise ArgumentInvalid(f"{parameter}: {error.message.rstrip('.')}") from error


def option_names(
    command: click.Command,
    parameter: str,
    value: str | int | Iterable[str | int],
    *,
    flag: str | None = None,
) -> Any:
    """Several names or numbers as the option takes them, with commas: a list, a word, a number."""
    words = [value] if isinstance(value, str | int) else list(value)
    return option_value(command, parameter, ",".join(map(str, words)), flag=flag)


def budget_of(
    command: click.Command, max_memory: str | int | None, max_seconds: float | None
) -> Budget:
    """Memory and time that a bundle may cost; None for those of the command line."""
    limits = {
        "memory_bytes": option_value(command, "max_memory", max_memory),
        "step_seconds": option_value(command, "max_seconds", max_seconds),
    }
    return Budget(**{name: limit for name, limit in limits.items() if limit is not None})


def flag_of(parameter: str) -> str:
    """The option of the command line for a parameter."""
    singular = {plural: name for name, plural in PLURALS.items()}.get(parameter, parameter)
    return f"--{singular.replace('_', '-')}"


@contextlib.contextmanager
def usage_as_arguments() -> Iterator[None]:
    """Turn a usage error of the command line into one of arguments.

    Raises:
        ArgumentInvalid: with the parameters' names in place of the options'.
    """
    try:
        yield
    except click.UsageError as error:
        raise ArgumentInvalid(_in_python(error.message)) from error


def _in_python(message: str) -> str:
    """The message with parameters in place of options: ``quantize='int8'`` for --quantize int8."""
    message = message.replace("--quantize int8", "quantize='int8'")
    return re.sub(r"--([a-z][a-z0-9-]*)", lambda match: _parameter(match[1]), message)


def _parameter(option: str) -> str:
    return PLURALS.get(option, option.replace("-", "_"))


def text_of_path(value: str | os.PathLike[str] | None, parameter: str) -> str | None:
    """A name or a path, as it is typed on the command line.

    Raises:
        ArgumentInvalid: neither.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return str(Path(value))
    raise ArgumentInvalid(f"{parameter} is a {type(value).__name__}, expected a name or a path")


def optional_path(value: PathText | None, parameter: str) -> Path | None:
    """A path; None stays None.

    Raises:
        ArgumentInvalid: it is none.
    """
    text = text_of_path(value, parameter)
    return None if text is None else Path(text)


def items_or_text(value: Any, parameter: str) -> Any:
    """Data as the command line names it, or an iterable as it is."""
    if isinstance(value, os.PathLike):
        return text_of_path(value, parameter)
    return value
