"""Description of a zoo network before it is built. Importing this imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, cast

from edgecnn.errors import ModelUnusable
from edgecnn_runtime.manifest import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

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
# Mean and deviation of the 50,000 training images.
CIFAR = Preprocess(
    colour="RGB",
    resize=(32, 32),
    filter="bilinear",
    crop=None,
    scale=1 / 255,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
)

SMALL_SIDE = 32


@dataclass(frozen=True)
class Form:
    """Form of a zoo network: its differences from the paper; None is as in the paper.

    Attributes:
        width: multiplier of its channels.
        depth: multiplier of the blocks or layers of its stages.
        stem: "imagenet", or "small" for images of about 32×32.
        phi: compound coefficient φ (EfficientNet).
    """

    classes: int | None = None
    width: float | None = None
    depth: float | None = None
    stem: str | None = None
    phi: float | None = None

    def given(self) -> dict[str, float | str]:
        """Given options, by the name of the builder's argument."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Architecture:
    """One network of the zoo.

    Attributes:
        target: ``module:function`` that builds it.
        arguments: what that function needs to build this one of its family.
        options: names of the fields of `Form` that it takes.
        input: (channels, height, width).
        classes: outputs when nothing else is asked for.
        weights: published weights by name → asset of `edgecnn.fetch`; the first is the default.
        labels: name of the file of labels beside this module, for `classes` outputs.
        converter: ``module:function`` that renames the published weights to the network's keys.
    """

    name: str
    target: str
    input: tuple[int, int, int]
    classes: int
    preprocess: Preprocess
    family: str = ""
    paper: str = ""
    arguments: Mapping[str, float | bool | str] = field(default_factory=dict)
    options: tuple[str, ...] = ("classes",)
    weights: Mapping[str, str] = field(default_factory=dict)
    labels: str | None = None
    converter: str | None = None

    def build(
        self,
        *,
        classes: int | None = None,
        width: float | None = None,
        depth: float | None = None,
        stem: str | None = None,
        phi: float | None = None,
    ) -> nn.Module:
        """The network in evaluation mode, with fresh random weights.

        Raises:
            ModelUnusable: it has no such option, or the width leaves no channels.
        """
        form = Form(classes or self.classes, width, depth, stem, phi)
        self.check(form)
        return self.factory()(**self.arguments, **form.given()).eval()

    def check(self, form: Form) -> None:
        """Check that the network has all options of a form.

        Raises:
            ModelUnusable: names the option, and those that there are.
        """
        for name, value in form.given().items():
            if name in self.options or (name == "stem" and value == self.own_stem):
                continue
            others = ", ".join(f"--{option}" for option in self.options)
            if name == "stem":
                raise ModelUnusable(
                    f"{self.name} is made for {self.input[1]}×{self.input[2]} images and has no "
                    f"{value!r} stem; leave out --stem"
                )
            raise ModelUnusable(
                f"{self.name} has no {name} to set; leave out --{name} (it takes {others})"
            )

    @property
    def own_stem(self) -> str:
        """Default stem of the network."""
        return "small" if self.input[1] <= SMALL_SIDE and self.input[0] == 3 else "imagenet"

    def input_of(self, form: Form) -> tuple[int, int, int]:
        """(channels, height, width) that a form of it reads by default."""
        if form.stem == "small":
            return (self.input[0], SMALL_SIDE, SMALL_SIDE)
        if form.phi is not None:
            from edgecnn.zoo.efficientnet import compound_scaling

            side = compound_scaling(form.phi).resolution
            return (self.input[0], side, side)
        return self.input

    def factory(self) -> Callable[..., nn.Module]:
        """The function that builds it."""
        return cast("Callable[..., nn.Module]", _find(self.target))

    def convert(
        self, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Published weights under the network's own keys.

        Raises:
            CheckpointMismatch: they are of another network of the family.
        """
        if self.converter is None:
            return dict(weights)
        return cast("dict[str, Tensor]", _find(self.converter)(weights, own))

    def class_labels(self) -> tuple[str, ...]:
        """The labels of the published weights, in class order; digits where there is no list."""
        if self.labels is None:
            return tuple(map(str, range(self.classes)))
        text = (resources.files("edgecnn.zoo") / self.labels).read_text(encoding="utf-8")
        return tuple(text.splitlines())


@dataclass(frozen=True)
class Family:
    """Networks that one paper, or one line of papers, describes."""

    name: str
    year: int
    paper: str
    architectures: tuple[Architecture, ...]


def _find(target: str) -> Callable[..., object]:
    module, function = target.split(":")
    return cast("Callable[..., object]", getattr(importlib.import_module(module), function))
