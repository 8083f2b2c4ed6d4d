"""Preprocessing in words: colour order first, then resize, crop, arithmetic, layout."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn_runtime.manifest import Preprocess

_COLOURS = {
    "RGB": "RGB, red first; OpenCV reads BGR: swap it",
    "BGR": "BGR, blue first, as OpenCV reads it; Pillow, Android and canvas give RGB: swap it",
    "L": "grey, one channel: (19595 R + 38470 G + 7471 B) / 65536",
}


def preprocess_words(spec: Preprocess) -> dict[str, str]:
    """Steps of a preprocessing by name, in their order."""
    return {
        "colour": _COLOURS[spec.colour],
        "resize": _resize(spec),
        "crop": "none" if spec.crop is None else f"the centre, {_size(spec.crop)}",
        "values": f"(level × {spec.scale:.6g} - mean) / std, level 0 to 255; "
        f"mean {_numbers(spec.mean)}, std {_numbers(spec.std)}",
        "layout": "NCHW, channel by channel" if spec.layout == "NCHW" else "NHWC, pixel by pixel",
    }


def _resize(spec: Preprocess) -> str:
    if spec.resize is None:
        return "none"
    size = (
        f"shorter side to {spec.resize} pixels"
        if isinstance(spec.resize, int)
        else f"to {_size(spec.resize)}"
    )
    return f"{size}, {spec.filter} with antialias, as Pillow does"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]} (height × width)"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.6g}" for value in values)
