"""Cause: wrong preprocessing (colour order, mean and std, scale, resize, crop, layout)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgecnn_exporters.diagnose.causes.case import Cause, CauseFinding
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.parity.contents import PREPROCESS_LEVELS

# Standard deviation in grey levels below which a channel does not determine mean and std.
LEAST_DEVIATION = 1.0
# Least mean, of values about 1, that determines a factor; and how well factors are determined.
LEAST_MEAN, SAME_FACTOR = 0.05, 0.02

Pairs = Iterable[tuple[Array, Array]]


@dataclass(frozen=True)
class Mistake:
    """A common preprocessing mistake and its correction.

    Attributes:
        sentence: the mistake in words, from the wrong spec and the corrected one.
        correct: the spec without the mistake; None where it cannot have it.
    """

    sentence: Callable[[Preprocess, Preprocess], str]
    correct: Callable[[Preprocess], Preprocess | None]


def other_preprocessing(spec: Preprocess, pairs: Pairs) -> Iterator[CauseFinding]:
    """Each mistake corrected in turn; confirmed where the golden inputs come out.

    Args:
        spec: the bundle's.
        pairs: golden image, (H, W, 3) uint8, and the golden input that was made from it.
    """
    known = list(pairs)
    for mistake in MISTAKES:
        other = mistake.correct(spec)
        if other is not None and other != spec:
            sentence, fix = mistake.sentence(spec, other), _fix(spec, other)
            yield CauseFinding(Cause.PREPROCESSING, sentence, fix, error_ratio(other, known))
    fitted = _fit(spec, known)
    scale = None if fitted is None else _scale_of(spec, fitted)
    if scale is not None:
        other = replace(spec, scale=scale)
        sentence = f"grey levels are scaled by {spec.scale:.4g}, not by {scale:.4g}"
        ratio = error_ratio(other, known)
        yield CauseFinding(Cause.PREPROCESSING, sentence, _fix(spec, other), ratio)
    if fitted is not None:
        sentence = (
            f"the golden inputs were made with mean {_format(fitted.mean)} and std "
            f"{_format(fitted.std)}, the bundle has {_format(spec.mean)} and {_format(spec.std)}"
        )
        ratio = error_ratio(fitted, known)
        yield CauseFinding(Cause.PREPROCESSING, sentence, _fix(spec, fitted), ratio)


def error_ratio(spec: Preprocess, pairs: Pairs) -> float:
    """Largest difference of a spec's inputs from the golden ones, in grey levels; 1 is allowed."""
    worst = 0.0
    for image, golden in pairs:
        try:
            preprocessed = preprocess(image, spec)
        except ValueError:  # a spec that does not fit the image
            return float(np.inf)
        if preprocessed.shape != golden.shape:
            return float(np.inf)
        level = PREPROCESS_LEVELS * abs(spec.scale) / float(np.abs(spec.std).min()) * (1 + 1e-5)
        worst = max(worst, float(np.abs(preprocessed - golden).max()) / level)
    return worst


def _other_colour(spec: Preprocess) -> Preprocess | None:
    return {"RGB": replace(spec, colour="BGR"), "BGR": replace(spec, colour="RGB")}.get(spec.colour)


def _swapped(spec: Preprocess) -> Preprocess | None:
    # A mean of zero cannot have been a std.
    return replace(spec, mean=spec.std, std=spec.mean) if all(spec.mean) else None


def _other_scale(spec: Preprocess) -> Preprocess:
    return replace(spec, scale=1.0 if spec.scale < 1 else 1 / 255)


def _other_filter(spec: Preprocess) -> Preprocess:
    return replace(spec, filter="bicubic" if spec.filter == "bilinear" else "bilinear")


def _stretched(spec: Preprocess) -> Preprocess | None:
    """The whole image resized to the size of the crop, or the reverse."""
    if isinstance(spec.resize, int) and spec.crop is not None:
        return replace(spec, resize=spec.crop, crop=None)
    if isinstance(spec.resize, tuple) and spec.crop is None:
        return replace(spec, resize=min(spec.resize), crop=spec.resize)
    return None


def _common_margin(spec: Preprocess) -> Preprocess | None:
    """The shorter side 8/7 of the crop, as ImageNet's 256 and 224; or no margin at all."""
    if not isinstance(spec.resize, int) or spec.crop is None:
        return None
    side = min(spec.crop)
    return replace(spec, resize=round(side * 8 / 7) if spec.resize == side else side)


def _other_layout(spec: Preprocess) -> Preprocess:
    return replace(spec, layout="NHWC" if spec.layout == "NCHW" else "NCHW")


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        lambda spec, other: f"colour is {spec.colour} where the network reads {other.colour}",
        _other_colour,
    ),
    Mistake(lambda spec, other: "mean and std are swapped", _swapped),
    Mistake(
        lambda spec, other: "mean and std are in reverse channel order",
        lambda spec: replace(spec, mean=spec.mean[::-1], std=spec.std[::-1]),
    ),
    Mistake(
        lambda spec, other: f"grey levels are scaled by {spec.scale:.4g}, not by {other.scale:.4g}",
        _other_scale,
    ),
    Mistake(
        lambda spec, other: f"resized with {spec.filter} where it was {other.filter}",
        _other_filter,
    ),
    Mistake(
        lambda spec, other: (
            f"resized to {spec.resize} with crop {spec.crop}, not to {other.resize} with crop "
            f"{other.crop}"
        ),
        _stretched,
    ),
    Mistake(
        lambda spec, other: f"shorter side resized to {spec.resize}, not to {other.resize}",
        _common_margin,
    ),
    Mistake(lambda spec, other: f"axes are {spec.layout}, not {other.layout}", _other_layout),
)


def _fit(spec: Preprocess, pairs: list[tuple[Array, Array]]) -> Preprocess | None:
    """Mean and std estimated from the golden inputs, channel by channel: least squares."""
    plain = replace(spec, mean=(0.0,) * len(spec.mean), std=(1.0,) * len(spec.std), scale=1.0)
    axis = 1 if spec.layout == "NCHW" else 3
    images = [preprocess(image, plain) for image, _ in pairs]
    if any(one.shape != golden.shape for one, (_, golden) in zip(images, pairs, strict=True)):
        return None
    levels = np.moveaxis(np.concatenate(images), axis, 0).reshape(len(spec.mean), -1)
    golden = np.moveaxis(np.concatenate([each for _, each in pairs]), axis, 0)
    fits = [
        np.polyfit(x, y, 1) if x.std() > LEAST_DEVIATION else None
        for x, y in zip(levels, golden.reshape(levels.shape), strict=True)
    ]
    if any(each is None or abs(each[0]) < 1e-9 for each in fits):
        return None
    lines = [each for each in fits if each is not None]
    std = tuple(float(spec.scale / gain) for gain, _ in lines)
    mean = tuple(float(-offset * s) for (_, offset), s in zip(lines, std, strict=True))
    return replace(spec, mean=mean, std=std)


def _scale_of(spec: Preprocess, fitted: Preprocess) -> float | None:
    """The scale that explains an estimated mean and std by itself; None where none does.

    ``(s x - m) / d`` is ``(s' x - m') / d'`` where d' and m' are d and m times s' / s.
    """
    factors = [mine / theirs for mine, theirs in zip(spec.std, fitted.std, strict=True)]
    pairs = zip(spec.mean, fitted.mean, strict=True)
    factors += [mine / theirs for mine, theirs in pairs if abs(theirs) > LEAST_MEAN]
    if not np.allclose(factors, factors[0], rtol=SAME_FACTOR) or factors[0] <= 0:
        return None
    return float(spec.scale * np.median(factors))


def _fix(spec: Preprocess, other: Preprocess) -> str:
    fields = [name for name in vars(spec) if getattr(spec, name) != getattr(other, name)]
    words = (f"{name} {_format(getattr(other, name))}" for name in fields)
    return f"set {', '.join(words)} in the manifest's preprocess"


def _format(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{number:.4g}" for number in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
