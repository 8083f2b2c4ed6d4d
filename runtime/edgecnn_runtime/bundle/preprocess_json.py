"""Strict parser of a preprocessing, and its agreement with the network's input."""

from __future__ import annotations

from edgecnn_runtime.bundle.json_fields import JsonFields, each, index, number, shown
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

# A side's length in pixels.
MAX_SIDE = 1 << 16
# Of `scale / std` and `mean / std`, which float32 holds: between its extremes, with room for the
# product with a grey level.
LEAST_FACTOR, LARGEST_FACTOR = 1e-30, 1e30


def preprocess_from_json(value: object, where: str) -> Preprocess:
    """Read a preprocessing strictly; `where` names it in errors.

    Raises:
        ManifestInvalid: a field is missing, unknown, of the wrong type or out of range.
    """
    fields = JsonFields(value, where)
    preprocess = Preprocess(
        colour=fields.choice("colour", ("RGB", "BGR", "L")),
        resize=fields.optional("resize", _resize),
        filter=fields.choice("filter", ("bilinear", "bicubic")),
        crop=fields.optional("crop", _height_width),
        scale=fields.number("scale"),
        mean=each(fields.take("mean", list), f"{where}.mean", number),
        std=each(fields.take("std", list), f"{where}.std", number),
        layout=fields.choice("layout", ("NCHW", "NHWC")),
    )
    fields.finish()
    _check_channel_values(preprocess, where)
    return preprocess


def check_fits(preprocess: Preprocess, spec: TensorSpec) -> None:
    """Check that prepared images are what the network's input takes.

    Where the size depends on the image (a shorter side without a crop), only that side is checked.

    Raises:
        ManifestInvalid: they are not.
    """
    axes = (1, 2, 3) if preprocess.layout == "NCHW" else (3, 1, 2)
    actual = [spec.shape[axis] for axis in axes] if len(spec.shape) == 4 else []
    wanted: list[int | None] = [1 if preprocess.colour == "L" else 3, *(actual[1:] or (None, None))]
    if preprocess.crop is not None:
        wanted[1:] = preprocess.crop
    elif isinstance(preprocess.resize, tuple):
        wanted[1:] = preprocess.resize
    shorter = preprocess.resize if preprocess.crop is None else None
    fits = spec.dtype == "float32" and actual == wanted and None not in actual
    if fits and isinstance(shorter, int):
        fits = shorter == min(extent for extent in actual[1:] if extent is not None)
    if not fits:
        made = "x".join("?" if extent is None else str(extent) for extent in wanted)
        raise ManifestInvalid(
            f"preprocess makes float32 images of {made} (channels, height, width; resize "
            f"{preprocess.resize}) in {preprocess.layout}, the network reads {spec}"
        )


def _check_channel_values(preprocess: Preprocess, where: str) -> None:
    channels = 1 if preprocess.colour == "L" else 3
    for name, values in (("mean", preprocess.mean), ("std", preprocess.std)):
        if len(values) != channels:
            raise ManifestInvalid(f"{where}.{name} has {len(values)} values, expected {channels}")
    if 0 in preprocess.std:
        raise ManifestInvalid(f"{where}.std holds 0, expected values other than 0")
    for mean, std in zip(preprocess.mean, preprocess.std, strict=True):
        gain, offset = abs(preprocess.scale / std), abs(mean / std)
        if not (LEAST_FACTOR <= gain <= LARGEST_FACTOR and offset <= LARGEST_FACTOR):
            raise ManifestInvalid(
                f"{where} has scale {preprocess.scale:g}, mean {mean:g} and std {std:g}: grey "
                f"levels are multiplied by {gain:g}, expected {LEAST_FACTOR} to {LARGEST_FACTOR}"
            )


def _pixels(value: object, where: str) -> int:
    if not 1 <= index(value, where) <= MAX_SIDE:
        raise ManifestInvalid(f"{where} is {shown(value)}, expected 1 to {MAX_SIDE} pixels")
    return index(value, where)


def _height_width(value: object, where: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ManifestInvalid(f"{where} is {shown(value)}, expected [height, width]")
    return _pixels(value[0], where), _pixels(value[1], where)


def _resize(value: object, where: str) -> int | tuple[int, int]:
    return _height_width(value, where) if isinstance(value, list) else _pixels(value, where)
