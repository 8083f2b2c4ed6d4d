"""Count the network that a person names."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from edgecnn.errors import ModelUnusable
from edgecnn.model.resolve import NetworkOptions, build_network, find_architecture, is_onnx
from edgecnn.zoo import Architecture, Form
from edgecnn.zoo.analysis.summary import Summary, summarise


@dataclass(frozen=True)
class Described:
    """A network that was counted; one of a user's own has no architecture."""

    name: str
    summary: Summary
    classes: int | None
    architecture: Architecture | None


def describe(name: str, form: Form, shape: tuple[int, int, int] | None) -> Described:
    """Build a network of the zoo without memory for its weights, or a user's own, and count it.

    Args:
        name: of the zoo, or ``package.module:factory``.
        shape: (channels, height, width) of the input; None is the network's own.

    Raises:
        UnknownModel, ModelUnusable: there is no such network, or it has no such form.
        EdgeCNNError: it does not run on that input; names the least one that it runs on.
    """
    if is_onnx(name):
        raise ModelUnusable(f"{name}: edgecnn zoo counts PyTorch networks, not .onnx files")
    if ":" in name:
        if form.given():
            options = " ".join(f"--{option}" for option in form.given())
            raise ModelUnusable(
                f"{name} is built by its own factory, which takes no {options}; leave it out"
            )
        network = build_network(name, NetworkOptions(shape=shape, quiet=True))
        return Described(name, summarise(network.module, network.shape), None, None)
    architecture = find_architecture(name)
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
    return Described(name, summary, form.classes or architecture.classes, architecture)
