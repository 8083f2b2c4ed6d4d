"""Resolution of MODEL to an ONNX file, a factory, a zoo network, a checkpoint or a live module.

A zoo name, a checkpoint that ``edgecnn train`` wrote, ``package.module:factory`` for a network of
one's own, or an ``.onnx`` file. Nothing heavy is loaded.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from edgecnn.errors import UnknownModel
from edgecnn.model.description import Description, read_description
from edgecnn.model.mistaken import OWN, refuse_mistaken, run_checkpoint
from edgecnn.model.weights import SUFFIX
from edgecnn.zoo import ARCHITECTURES, Architecture

if TYPE_CHECKING:
    from torch import nn

ONNX_SUFFIX = ".onnx"


@dataclass(frozen=True)
class OnnxFile:
    """An ``.onnx`` file, which holds structure and weights.

    Attributes:
        typed: its path as the user typed it.
    """

    typed: str

    @property
    def path(self) -> Path:
        return Path(self.typed)

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem


@dataclass(frozen=True)
class Factory:
    """A user's own network, built by a Python function.

    Attributes:
        typed: ``package.module:factory``, or ``folder/module.py:factory``.
    """

    typed: str

    @property
    def module(self) -> str:
        """The module to import."""
        return self.typed.rpartition(":")[0] if self.path is None else self.path.stem

    @property
    def path(self) -> Path | None:
        """The Python file, where one was typed: its folder is where its imports are found."""
        module = self.typed.rpartition(":")[0]
        return Path(module) if module.endswith(".py") else None

    @property
    def name(self) -> str:
        """The function in it, or the network itself."""
        return self.typed.rpartition(":")[2]


@dataclass(frozen=True)
class ZooNetwork:
    """A network of the zoo, by its name."""

    architecture: Architecture

    @property
    def typed(self) -> str:
        return self.architecture.name

    @property
    def name(self) -> str:
        return self.architecture.name


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that ``edgecnn train`` wrote: weights that name their network.

    Attributes:
        typed: its path as the user typed it.
        architecture: the zoo's network that the description names.
    """

    typed: str
    description: Description
    architecture: Architecture

    @property
    def path(self) -> Path:
        return Path(self.typed)

    @property
    def name(self) -> str:
        return self.architecture.name


@dataclass(frozen=True, eq=False)
class LiveModule:
    """A PyTorch network in the memory of a Python program, which stays as it is.

    Attributes:
        typed: its class, ``package.module.Class``.
        name: of its bundle.
    """

    module: nn.Module
    typed: str
    name: str


TorchSource: TypeAlias = Factory | ZooNetwork | Checkpoint | LiveModule
ModelSource: TypeAlias = OnnxFile | TorchSource


def resolve(typed: str) -> ModelSource:
    """Resolve MODEL.

    A folder of ``edgecnn train`` is the checkpoint in it.

    Raises:
        UnknownModel: a name that the zoo has not, a file that is something else, or a checkpoint
            that is missing or does not say which network it is of.
        CheckpointUnreadable: a checkpoint that is damaged.
    """
    if typed.endswith(ONNX_SUFFIX):
        return OnnxFile(typed)
    if typed.endswith(SUFFIX):
        return _checkpoint(typed)
    if ":" in typed:
        return Factory(typed)
    if typed in ARCHITECTURES:
        return ZooNetwork(ARCHITECTURES[typed])
    if (checkpoint := run_checkpoint(typed)) is not None:
        return _checkpoint(checkpoint)
    refuse_mistaken(typed)
    raise unknown_name(typed)


def _checkpoint(typed: str) -> Checkpoint:
    path = Path(typed)
    if not path.exists():
        raise UnknownModel(
            f"{typed} is missing: it does not exist; expected a checkpoint of edgecnn train"
        )
    description = read_description(path)
    if description is None:
        raise UnknownModel(
            f"{typed} holds weights and does not say which network it is of; name one: edgecnn "
            f"export NAME --weights {typed}, or {OWN} --weights {typed} --input 1x3x224x224"
        )
    if ":" in description.architecture:
        shape = "x".join(map(str, (1, *description.input)))
        raise UnknownModel(
            f"{typed} is of a network of your own; name it: edgecnn export "
            f"{description.architecture} --weights {typed} --input {shape}"
        )
    return Checkpoint(typed, description, find_architecture(description.architecture))


def find_architecture(name: str) -> Architecture:
    """The zoo's network of that name.

    Raises:
        UnknownModel: there is none; offers the nearest names.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    raise unknown_name(name)


def unknown_name(name: str) -> UnknownModel:
    """Error for an unknown name of a network, with the nearest known ones."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), ARCHITECTURES, 3, 0.4)
    offer = f"did you mean {' or '.join(near)}?" if near else "edgecnn zoo lists them."
    return UnknownModel(
        f"no model is called {name!r}; {offer} "
        "A network of your own is package.module:factory, a file ends in .onnx"
    )
