"""Arguments of the Python API, checked by the options of the command line."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edgecnn.errors import ArgumentInvalid

# Parameters that take several, where the option is given several times.
PLURALS = {"target": "targets", "engine": "engines", "precision": "precisions"}


def option_of(command: click.Command, flag: str) -> click.Parameter:
    """The option of a command by one of its flags, such as ``--samples``."""
    return next(each for each in command.params if flag in (*each.opts, *each.secondary_opts))


def option_value(command: click.Command, parameter: str, value: Any) -> Any:
    """The value of a parameter as the option of that name takes it; None stays None.

    Raises:
        ArgumentInvalid: a value that the option refuses.
    """
    if value is None:
        return None
    option = option_of(command, flag_of(parameter))
    try:
        return option.type.convert(value, option, click.Context(command))
    except click.BadParameter as error:
        raise ArgumentInvalid(f"{parameter}: {error.message.rstrip('.')}") from error


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


def items_or_text(value: Any, parameter: str) -> Any:
    """Data as the command line names it, or an iterable as it is."""
    if isinstance(value, os.PathLike):
        return text_of_path(value, parameter)
    return value
