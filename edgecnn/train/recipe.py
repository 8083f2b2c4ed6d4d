"""Training recipe: every hyperparameter that the weights depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from edgecnn.errors import RecipeInvalid

Optimiser = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "one-cycle", "constant"]
AUGMENTATIONS = ("crop", "flip", "jitter", "lighting")


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training: all that decides the weights beside network and data.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step, over all processes together.
        optimiser: SGD with Nesterov's momentum, or AdamW.
        learning_rate: the highest of the schedule.
        momentum: of SGD (Nesterov's); AdamW has its own, 0.9 and 0.999.
        weight_decay: of weights; biases and BatchNorm have none.
        schedule: "cosine" warms up over `warmup_epochs` and falls to 0 (Loshchilov and Hutter
            2017); "one-cycle" rises over the first 30 % (Smith and Topin 2019); "constant" stays.
        warmup_epochs: epochs over which "cosine" rises from 0.
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016, §7).
        ema: decay a step of the averaged weights, which are those kept; 0 keeps the last ones.
        augmentation: of `AUGMENTATIONS`, in the order that they are applied.
        mixup: α of Beta(α, α) (Zhang et al. 2018); 0 is without.
        dropout: of every dropout layer; None is as the network has it.
        clip: largest norm of the gradient; 0 is without.
        seed: of the weights, the order of the images, the augmentation and dropout.
        threads: of PyTorch on the CPU: another number sums in another order, to other last bits.
    """

    epochs: int = 20
    batch_size: int = 128
    optimiser: Optimiser = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    augmentation: tuple[str, ...] = ("crop", "flip")
    mixup: float = 0.0
    dropout: float | None = None
    clip: float = 0.0
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        unknown = [name for name in self.augmentation if name not in AUGMENTATIONS]
        if unknown:
            raise RecipeInvalid(
                f"no augmentation is called {', '.join(unknown)}; "
                f"there are {', '.join(AUGMENTATIONS)}"
            )

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON holds it."""
        return asdict(self) | {"augmentation": list(self.augmentation)}

    def differences(self, other: Recipe) -> list[str]:
        """Where `other` departs from this recipe, one line each: name, ours, theirs."""
        return [
            f"{field.name} {getattr(self, field.name)} against {getattr(other, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def recipe_from_json(document: Mapping[str, Any]) -> Recipe:
    """The recipe that `Recipe.to_json` wrote.

    Raises:
        RecipeInvalid: fields are missing or not known.
    """
    names = {field.name for field in fields(Recipe)}
    if set(document) != names:
        odd = ", ".join(sorted(names ^ set(document)))
        raise RecipeInvalid(f"the recipe was written by another version of edgecnn: {odd}")
    return Recipe(**{**document, "augmentation": tuple(document["augmentation"])})


_SGD = Recipe()
_GENTLE = replace(_SGD, learning_rate=0.05, dropout=0.1, clip=5.0)
_ADAMW = replace(
    _SGD, optimiser="adamw", learning_rate=3e-3, weight_decay=0.02, schedule="one-cycle"
)
# What each family trains well with at 32×32, found by trying; the originals had days on GPUs.
RECIPES: dict[str, Recipe] = {
    "LeNet": replace(_ADAMW, batch_size=64, weight_decay=0.01, augmentation=()),
    "AlexNet": replace(_ADAMW, learning_rate=2e-3, dropout=0.1),
    "VGG": _GENTLE,
    "GoogLeNet": _SGD,
    "ResNet": _SGD,
    "DenseNet": _SGD,
    "MobileNetV1": _ADAMW,
    "MobileNetV2": _ADAMW,
    "MobileNetV3": _ADAMW,
    "EfficientNet": _ADAMW,
    "EfficientNet-Lite": _ADAMW,
}
# Of a training in 8 bits: a trained network moves by a few steps of its weights.
QUANTISED = replace(
    _SGD, epochs=4, optimiser="adamw", learning_rate=3e-4, weight_decay=0.0, warmup_epochs=0.1
)
