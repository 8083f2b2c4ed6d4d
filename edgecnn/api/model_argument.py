"""Network and input of `edgecnn.export`: modules, names and files; examples and shapes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgecnn.api.arguments import text_of_path
from edgecnn.data.item_values import CHANNELS, as_array, is_array
from edgecnn.errors import ArgumentInvalid
from edgecnn.model.resolve import LiveModule, ModelSource, resolve

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, int, int]


def model_source(model: nn.Module | str | os.PathLike[str], name: str | None) -> ModelSource:
    """The source of a network: a module in memory, or what MODEL takes on the command line.

    Args:
        name: of a module's bundle; None takes that of its class.

    Raises:
        ArgumentInvalid: something else, or a name for what has one.
        UnknownModel: as `resolve` says.
    """
    if _is_module(model):
        return _live(model, name)
    if name is not None:
        raise ArgumentInvalid("name: only for a torch.nn.Module; other networks have a name")
    if isinstance(model, str | os.PathLike):
        return resolve(str(text_of_path(model, "model")))
    called = getattr(model, "__name__", "model")
    hint = f"; call it: edgecnn.export({called}(), …)" if callable(model) else ""
    raise ArgumentInvalid(
        f"model is a {type(model).__name__}, expected a torch.nn.Module, a name from edgecnn zoo, "
        f"package.module:factory, a checkpoint or an .onnx file{hint}"
    )


def _is_module(model: object) -> bool:
    """Whether it is a module of PyTorch, without importing PyTorch for what is none."""
    kind = getattr(getattr(sys.modules.get("torch"), "nn", None), "Module", None)
    return kind is not None and isinstance(model, kind)


def _live(module: Any, name: str | None) -> LiveModule:
    if name is not None and not (isinstance(name, str) and _is_file_name(name)):
        raise ArgumentInvalid(f"name is {name!r}, expected a word or two, which may name a file")
    from edgecnn_exporters.capture.prepare import unwrapped

    kind = type(unwrapped(module))
    return LiveModule(module, f"{kind.__module__}.{kind.__qualname__}", name or kind.__name__)


def _is_file_name(name: str) -> bool:
    return bool(name.strip(" .")) and name.isprintable() and not set(name) & {"/", "\\", ":"}


def input_shape(given: Any) -> Shape | None:
    """(channels, height, width) from a shape with or without a batch, or from an example.

    Raises:
        ArgumentInvalid: it has another number of axes, or one of no pixels.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return _checked(tuple(re.split("[x×,]", given)), given)
    if isinstance(given, Sequence) and len(given) == 1 and is_array(given[0]):
        given = given[0]  # the arguments of a call, as torch.onnx.export takes them
    if is_array(given) and not isinstance(given, list):
        return _checked(tuple(as_array(given).shape), f"an example of shape {tuple(given.shape)}")
    if isinstance(given, Sequence):
        return _checked(tuple(given), given)
    raise ArgumentInvalid(
        f"input is a {type(given).__name__}, expected an example (N, C, H, W) or a shape such as "
        "(1, 3, 224, 224)"
    )


def _checked(axes: tuple[Any, ...], given: object) -> Shape:
    whole = [int(axis) for axis in axes if str(axis).strip().isdigit()]
    if len(whole) != len(axes) or len(axes) not in (3, 4) or 0 in whole:
        raise ArgumentInvalid(
            f"input is {given!r}, expected an image's (N, C, H, W) or (C, H, W), such as "
            "(1, 3, 224, 224); batch=… sets the batch"
        )
    channels, height, width = whole[-3:]
    if width in CHANNELS and channels > width:
        raise ArgumentInvalid(
            f"input is {given!r}, expected the channels first, as in (1, 3, 224, 224): "
            f"({width}, {channels}, {height})?"
        )
    return channels, height, width
