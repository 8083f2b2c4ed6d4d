"""The architectures that edgecnn knows by name. Importing this imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, cast

from edgecnn_runtime.manifest import Preprocess

if TYPE_CHECKING:
    from torch import nn

IMAGENET = Preprocess(
    colour="RGB",
    resize=256,
    filter="bilinear",
    crop=(224, 224),
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
MNIST = Preprocess(
    colour="L",
    resize=(28, 28),
    filter="bilinear",
    crop=None,
    scale=1 / 255,
    mean=(0.1307,),
    std=(0.3081,),
)


@dataclass(frozen=True)
class Architecture:
    """One network of the zoo.

    Attributes:
        target: ``module:function`` that builds it; takes `classes`, and `width` if `has_width`.
        input: (channels, height, width).
        classes: outputs when nothing else is asked for.
        weights: published weights by name → asset of `edgecnn.fetch`; the first is the default.
        labels: name of the file of labels beside this module, for `classes` outputs.
    """

    name: str
    target: str
    paper: str
    input: tuple[int, int, int]
    classes: int
    preprocess: Preprocess
    has_width: bool = False
    weights: dict[str, str] = field(default_factory=dict)
    labels: str | None = None

    def build(self, *, classes: int | None = None, width: float | None = None) -> nn.Module:
        """The network in evaluation mode, with fresh random weights."""
        module, function = self.target.split(":")
        factory = cast(
            "Callable[..., nn.Module]", getattr(importlib.import_module(module), function)
        )
        arguments: dict[str, float] = {"classes": classes or self.classes}
        if width is not None:
            arguments["width"] = width
        return factory(**arguments).eval()

    def class_labels(self) -> tuple[str, ...]:
        """The labels of the published weights, in class order; digits where there is no list."""
        if self.labels is None:
            return tuple(map(str, range(self.classes)))
        text = (resources.files("edgecnn.zoo") / self.labels).read_text(encoding="utf-8")
        return tuple(text.splitlines())


ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="lenet5",
            target="edgecnn.zoo.lenet5:lenet5",
            paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
            input=(1, 28, 28),
            classes=10,
            preprocess=MNIST,
        ),
        Architecture(
            name="mobilenet_v2",
            target="edgecnn.zoo.mobilenet_v2:mobilenet_v2",
            paper="Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks",
            input=(3, 224, 224),
            classes=1000,
            preprocess=IMAGENET,
            has_width=True,
            weights={"imagenet": "mobilenet_v2-imagenet"},
            labels="imagenet.txt",
        ),
    )
}
