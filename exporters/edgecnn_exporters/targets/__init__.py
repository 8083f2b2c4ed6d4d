"""From the canonical graph to the formats of other runtimes.

A target is a function in the table `TARGETS`: the canonical graph (or its QDQ copy) in, an artefact
and its files out. It copies every scale that the QDQ graph holds and quantises nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.manifest import Artefact, Preprocess

if TYPE_CHECKING:
    import onnx_ir as ir

Precision = Literal["fp32", "fp16", "int8"]
Io = Literal["float32", "int8", "uint8"]

TARGETS: Mapping[str, str] = {
    "tflite": "edgecnn_exporters.targets.tflite.target:translate",
    "openvino": "edgecnn_exporters.targets.openvino.target:translate",
}


class UnknownTarget(EdgeCNNError):
    """No target has that name."""


@dataclass(frozen=True)
class Wishes:
    """What is asked of the other formats.

    Attributes:
        names: of `TARGETS`.
        half: a float artefact whose weights are stored in 16 bits, beside the others.
        io: what goes into a TFLite file of 8 bits, and comes out.
        most_transposes: TRANSPOSE operators that a TFLite file may hold; None for any number.
    """

    names: tuple[str, ...] = ()
    half: bool = False
    io: Io = "float32"
    most_transposes: int | None = None


@dataclass(frozen=True)
class About:
    """What an artefact may carry of the network beside its graph."""

    name: str
    preprocess: Preprocess | None
    labels: tuple[str, ...]
    wishes: Wishes


@dataclass(frozen=True)
class Translated:
    """An artefact in another format.

    Attributes:
        files: by their paths in the bundle, those that `artefact` names.
        operators: how often each stands in it, where that says something.
        batch: that it is fixed to, where the graph's is not; None where it is as in the graph.
    """

    artefact: Artefact
    files: Mapping[str, bytes]
    operators: Mapping[str, int]
    batch: int | None = None


Translate = Callable[["ir.Model", Precision, About], Translated]


def target(name: str) -> Translate:
    """The target called `name`.

    Raises:
        UnknownTarget: there is none.
    """
    if name not in TARGETS:
        raise UnknownTarget(f"no target is called {name!r}; there are {', '.join(TARGETS)}")
    module, attribute = TARGETS[name].split(":")
    return cast("Translate", getattr(importlib.import_module(module), attribute))
