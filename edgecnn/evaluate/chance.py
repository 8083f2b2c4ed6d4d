"""Accuracy that is no better than chance: the sign of wrong preprocessing or order of labels."""

from __future__ import annotations

from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.parity.proportion import wilson_interval

# Accuracy above which a network is weak rather than wrong, in chances; and the least of it, since
# a thousand classes would need thousands of images.
ABOVE_CHANCE = 1.5
LEAST = 0.02


def chance_warning(right: int, images: int, classes: int) -> str | None:
    """A sentence where float is right no more often than by chance; None where it is, or may be.

    The 95 % interval (Wilson) of its accuracy must reach down to chance, ``1 / classes``, and stay
    below half as much again, or 2 %: of few images nothing is said.

    Args:
        classes: of the network.
    """
    if classes < 2 or images == 0:
        return None
    low, high = wilson_interval(right, images)
    if low > 1 / classes or high > max(ABOVE_CHANCE / classes, LEAST):
        return None
    return (
        f"float is right for {right / images:.1%} of {images:,} images of {classes:,} classes, "
        "which is chance: is the preprocessing or the order of the labels wrong? Export again with "
        "another --preprocess (imagenet, unit, signed), or say the class of each folder with "
        "evaluate --classes FILE"
    )


def chance_of_export(manifest: Manifest) -> str | None:
    """The sentence for a bundle whose accuracy was measured while it was made."""
    accuracy = manifest.provenance.get("accuracy")
    classes = manifest.outputs[0].shape[-1]
    if not isinstance(accuracy, dict) or classes is None:
        return None
    images = int(accuracy["images"])
    return chance_warning(round(float(accuracy["fp32"]) * images), images, classes)
