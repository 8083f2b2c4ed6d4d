"""A call of the Python API as text, for the provenance: without paths and content of data."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgecnn.data.item_values import is_array
from edgecnn_runtime.manifest import Preprocess

# Neither changes the bundle.
LEFT_OUT = ("output", "progress", "measure")
NAMES = 20


def call_text(function: Callable[..., Any], given: Mapping[str, Any]) -> str:
    """The call, with the arguments that differ from their defaults.

    Paths are shortened to the file's name, arrays and loaders to their class.
    """
    parameters = inspect.signature(function).parameters
    words = [
        _words(given[name])
        if parameter.default is inspect.Parameter.empty
        else f"{name}={_words(given[name])}"
        for name, parameter in parameters.items()
        if name not in LEFT_OUT and not _is_default(given[name], parameter.default)
    ]
    return f"edgecnn.{function.__name__}({', '.join(words)})"


def _is_default(value: object, default: object) -> bool:
    return type(value) is type(default) and not is_array(value) and value == default


def _words(value: object) -> str:
    if isinstance(value, os.PathLike):
        return repr(Path(value).name)
    if isinstance(value, str):
        return repr(Path(value).name if Path(value).is_absolute() else value)
    if isinstance(value, bool | int | float | Preprocess):
        return repr(value)
    if isinstance(value, Mapping):
        return "{…}"
    return repr(value) if _is_short_list(value) else type(value).__name__


def _is_short_list(value: object) -> bool:
    """Whether it is a list of a few names or numbers."""
    if not isinstance(value, list | tuple) or len(value) > NAMES:
        return False
    return all(isinstance(each, int | float) or _is_name(each) for each in value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and not Path(value).is_absolute()
