"""Arguments of the Python API, checked by the options of the command line."""

from __future__ import annotations

import contextlib
import errno
import math
import numbers
import operator
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """The value of a parameter as the option of that name takes it; None is the option's default.

    Args:
        flag: of the option, where it has another name than the parameter.

    Raises:
        ArgumentInvalid: a value that the option refuses.
    """
    option, context = option_of(command, flag or flag_of(parameter)), click.Context(command)
    if value is None:
        value = option.get_default(context)
        if not isinstance(value, str | int | float):  # None, or click's own mark of no default
            return None
    if isinstance(option.type, click.types.IntParamType):
        value = _whole(value, parameter)
    elif isinstance(option.type, click.types.FloatParamType):
        value = _number(value, parameter)
    elif isinstance(value, bool) or not isinstance(value, str | tuple | numbers.Real):
        kind = type(value).__name__
        raise ArgumentInvalid(f"{parameter} is a {kind}, expected text or a number")
    try:
        return option.type.convert(value, option, context)
    except click.BadParameter as error:
        raise ArgumentInvalid(f"{parameter}: {error.message.rstrip('.')}") from error


def option_names(
    command: click.Command,
    parameter: str,
    value: str | int | Iterable[str | int],
    *,
    flag: str | None = None,
) -> Any:
    """Several names or numbers as the option takes them, with commas: a list, a word, a number.

    Raises:
        ArgumentInvalid: something else, or a name that the option refuses.
    """
    words = map(str, names_of(value, parameter))
    return option_value(command, parameter, ",".join(words), flag=flag)


def names_of(value: str | int | Iterable[str | int], parameter: str) -> tuple[str | int, ...]:
    """A name or a number, or several.

    Raises:
        ArgumentInvalid: something else.
    """
    if isinstance(value, str | int):
        return (value,)
    expected = "expected a name or several"
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        raise ArgumentInvalid(f"{parameter} is a {type(value).__name__}, {expected}")
    names = tuple(value)
    for name in names:
        if not isinstance(name, str | int):
            raise ArgumentInvalid(f"{parameter} holds a {type(name).__name__}, {expected}")
    return names


def budget_of(
    command: click.Command, max_memory: str | int | None, max_seconds: float | None
) -> Budget:
    """Memory and time that a bundle may cost; None for those of the command line."""
    return Budget(
        option_value(command, "max_memory", max_memory),
        option_value(command, "max_seconds", max_seconds),
    )


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


def check_flags(**flags: object) -> None:
    """Refuse what is neither True nor False: any text but the empty one would count as True.

    Raises:
        ArgumentInvalid: names the parameter.
    """
    for parameter, value in flags.items():
        if not isinstance(value, bool):
            raise ArgumentInvalid(f"{parameter} is {value!r}, expected True or False")


def text_of_path(value: str | os.PathLike[str] | None, parameter: str) -> str | None:
    """A name or a path, as it is typed on the command line.

    Raises:
        ArgumentInvalid: neither, or no file can have that name.
    """
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise ArgumentInvalid(f"{parameter} is a {type(value).__name__}, expected a name or a path")
    text = value if isinstance(value, str) else str(Path(value))
    if not text:
        raise ArgumentInvalid(f"{parameter} is empty, expected a name or a path")
    try:
        os.lstat(text)
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:
            words = f"{text[:40]!r}{'…' if len(text) > 40 else ''}"
            raise ArgumentInvalid(
                f"{parameter} is {words}, which names no file: {error}"
            ) from error
    return text


def optional_name(value: str | None, parameter: str) -> str | None:
    """A name, such as an engine's; None stays None.

    Raises:
        ArgumentInvalid: it is no text.
    """
    if value is None or isinstance(value, str):
        return value
    raise ArgumentInvalid(f"{parameter} is a {type(value).__name__}, expected a name")


def optional_path(value: PathText | None, parameter: str) -> Path | None:
    """A path; None stays None.

    Raises:
        ArgumentInvalid: it is none.
    """
    text = text_of_path(value, parameter)
    return None if text is None else Path(text)


def path_of(value: PathText, parameter: str) -> Path:
    """A path that must be given.

    Raises:
        ArgumentInvalid: it is none.
    """
    path = optional_path(value, parameter)
    if path is None:
        raise ArgumentInvalid(f"{parameter} is None, expected a path")
    return path


def items_or_text(value: Any, parameter: str) -> Any:
    """Data as the command line names it, or an iterable as it is."""
    if isinstance(value, str | os.PathLike):
        return text_of_path(value, parameter)
    return value


def _whole(value: Any, parameter: str) -> int:
    """A whole number, also of numpy; text of one as the command line takes it."""
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal():
        return int(value)
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise ArgumentInvalid(f"{parameter} is {value!r}, expected a whole number")


def _number(value: Any, parameter: str) -> float:
    """A finite number, also of numpy; text of one as the command line takes it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ArgumentInvalid(f"{parameter} is {value!r}, expected a number")
    return number
