"""Parameters, MACs and receptive field of a resolved MODEL, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import torch

from edgecnn.errors import ModelUnusable
from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import (
    Checkpoint,
    Factory,
    LiveModule,
    ModelSource,
    OnnxFile,
    ZooNetwork,
    unknown_name,
)
from edgecnn.zoo import Architecture, Form
from edgecnn.zoo.analysis.summary import Summary, summarise


@dataclass(frozen=True)
class Described:
    """Figures of a network; a user's own network has no architecture."""

    name: str
    summary: Summary
    classes: int | None
    architecture: Architecture | None


def describe(source: ModelSource, form: Form, shape: tuple[int, int, int] | None) -> Described:
    """Build a network of the zoo without memory for its weights, or a user's own, and count it.

    Args:
        shape: (channels, height, width) of the input; None is the network's own.

    Raises:
        UnknownModel, ModelUnusable: there is no such network, or it has no such form.
        EdgeCNNError: it does not run on that input; names the least one that it runs on.
    """
    match source:
        case OnnxFile():
            raise ModelUnusable(
                f"{source.typed}: edgecnn zoo counts PyTorch networks, not .onnx files"
            )
        case Checkpoint():
            raise unknown_name(source.typed)
        case Factory() | LiveModule():
            return _describe_own(source, form, shape)
        case ZooNetwork():
            return _describe_zoo(source.architecture, form, shape)
        case _:
            assert_never(source)


def _describe_own(
    source: Factory | LiveModule, form: Form, shape: tuple[int, int, int] | None
) -> Described:
    if form.given():
        options = " ".join(f"--{option}" for option in form.given())
        raise ModelUnusable(
            f"{source.typed} is built by its own factory, which takes no {options}; leave it out"
        )
    network = build_network(source, NetworkOptions(shape=shape, quiet=True))
    return Described(source.typed, summarise(network.module, network.shape), None, None)


def _describe_zoo(
    architecture: Architecture, form: Form, shape: tuple[int, int, int] | None
) -> Described:
    architecture.check(form)
    with torch.device("meta"):
        module = architecture.build(
            classes=form.classes,
            width=form.width,
            depth=form.depth,
            stem=form.stem,
            phi=form.phi,
        )
    summary = summarise(module, shape or architecture.input_of(form))
    return Described(architecture.name, summary, form.classes or architecture.classes, architecture)
