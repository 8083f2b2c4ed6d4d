"""The head of a network made anew for other classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import NotTrainable
from edgecnn_runtime.manifest import ChannelGroup, Manifest
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import Head, state_of


def check_labels(bundle: Bundle, labels: Sequence[str]) -> tuple[str, ...]:
    """The names of new classes, as a bundle's labels can be.

    Raises:
        NotTrainable: the bundle's classes cannot be replaced, or these are no names of classes.
    """
    manifest = bundle.manifest
    names = () if isinstance(labels, str) else tuple(labels)
    if manifest.training is None or manifest.training.head is None or not manifest.postprocess:
        raise NotTrainable(
            f"{bundle.path} has no layer of classes that can be replaced; export a classifier that "
            "ends in torch.nn.Linear, with that layer learnt: edgecnn export MODEL --learn head"
        )
    is_text = all(isinstance(name, str) and name and name.isprintable() for name in names)
    if len(names) < 2 or len(set(names)) < len(names) or not is_text:
        raise NotTrainable(
            f"labels is {repr(labels)[:80]}, expected the names of two classes or more, each a "
            'text of its own without line breaks: labels=["mug", "plate"]'
        )
    return names


def with_classes(manifest: Manifest, classes: int) -> Manifest:
    """The manifest of the network with another number of classes."""
    training = manifest.training
    assert training is not None
    assert training.head is not None
    output = manifest.outputs[0]
    outputs = (replace(output, shape=(*output.shape[:-1], classes)), *manifest.outputs[1:])
    parameters = tuple(_resized(spec, training.head, classes) for spec in manifest.parameters)
    state = state_of(training.optimiser, training.momentum, parameters)
    groups = manifest.groups.get(output.name, ())
    whole = ChannelGroup(
        axis=len(output.shape) - 1,
        channels=((0, classes),),
        low=min((group.low for group in groups), default=0.0),
        high=max((group.high for group in groups), default=0.0),
    )
    return replace(
        manifest,
        outputs=outputs,
        parameters=parameters,
        training=replace(training, state=state),
        groups={**manifest.groups, output.name: (whole,)} if groups else manifest.groups,
    )


def _resized(spec: TensorSpec, head: Head, classes: int) -> TensorSpec:
    if spec.name not in (head.weight, head.bias):
        return spec
    return replace(spec, shape=(classes, *spec.shape[1:]))


def new_head(manifest: Manifest) -> dict[str, Array]:
    """Parameters of a head for the classes of `manifest`: zeros.

    From zeros every class is as likely as another before the first step, whose loss is the
    logarithm of their number, and nothing is drawn: the same images give the same weights. A layer
    without a hidden one behind it needs no random start, its gradient is another for each class.
    """
    training = manifest.training
    assert training is not None
    assert training.head is not None
    names = (training.head.weight, training.head.bias)
    shapes = {spec.name: spec.shape for spec in manifest.parameters if spec.name in names}
    return {
        name: np.zeros([extent or 1 for extent in shape], np.float32)
        for name, shape in shapes.items()
    }
