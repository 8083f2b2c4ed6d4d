"""Preprocessing as source code: numpy, OpenCV, C, C++, Kotlin, JavaScript.

The files in ``code/`` are the programs, with the constants left out as ``@NAME@``. Nothing but
numbers and words of the manifest's fixed choices is written into them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import asdict
from importlib import resources

from edgecnn_runtime import __version__
from edgecnn_runtime.manifest import Preprocess

CORE = "core.py"
FILES = (
    "preprocess_numpy.py",
    "preprocess_opencv.py",
    "preprocess.h",
    "preprocess.hpp",
    "Preprocess.kt",
)
SCRIPT = "preprocess.js"
SUPPORT = {"bilinear": 1, "bicubic": 2}
# Channels of the input: 0 red, 1 green, 2 blue.
ORDERS = {"RGB": (0, 1, 2), "BGR": (2, 1, 0), "L": (0,)}


def preprocess_code(spec: Preprocess) -> dict[str, str]:
    """Source files by name; each makes the input that the runtime makes, within a grey level."""
    constants = _constants(spec)
    constants["CORE"] = _filled(_template(CORE), constants)
    files = {name: _filled(_template(name), constants) for name in FILES}
    return files | {SCRIPT: _script(spec)}


def _script(spec: Preprocess) -> str:
    """The web page's own script, with the preprocessing of this network behind it."""
    script = resources.files("edgecnn.web").joinpath("scripts", SCRIPT).read_text("utf-8")
    return (
        f"{script}\n"
        "// The preprocessing of this network: preprocess(await pixelsOf(file), SPEC).\n"
        f"export const SPEC = Object.freeze({json.dumps(asdict(spec), allow_nan=False)});\n"
    )


def _template(name: str) -> str:
    path = resources.files("edgecnn.bundles").joinpath("code", f"{name}.in")
    return path.read_text("utf-8")


def _filled(template: str, constants: dict[str, str]) -> str:
    for name, value in constants.items():
        template = template.replace(f"@{name}@", value)
    return template


def _constants(spec: Preprocess) -> dict[str, str]:
    gain = [_float32(spec.scale / std) for std in spec.std]
    offset = [_float32(-mean / std) for mean, std in zip(spec.mean, spec.std, strict=True)]
    order = ORDERS[spec.colour]
    height, width = spec.resize if isinstance(spec.resize, tuple) else (0, 0)
    crop_height, crop_width = spec.crop or (0, 0)
    return {
        "VERSION": __version__,
        "COLOUR": next(each for each in ORDERS if each == spec.colour),
        "FILTER": next(each for each in SUPPORT if each == spec.filter),
        "LAYOUT": "NCHW" if spec.layout == "NCHW" else "NHWC",
        "IS_NHWC": str(int(spec.layout == "NHWC")),
        "SUPPORT": str(SUPPORT[spec.filter]),
        "IS_BICUBIC": "true" if spec.filter == "bicubic" else "false",
        "RESIZE_PY": repr(spec.resize),
        "CROP_PY": repr(spec.crop),
        "SHORTER": str(spec.resize if isinstance(spec.resize, int) else 0),
        "RESIZE_HEIGHT": str(height),
        "RESIZE_WIDTH": str(width),
        "CROP_HEIGHT": str(crop_height),
        "CROP_WIDTH": str(crop_width),
        "CHANNELS": str(len(order)),
        "ORDER": _listed(order),
        "SCALE": f"{spec.scale:.9g}",
        "MEAN": _listed(f"{each:.9g}" for each in spec.mean),
        "STD": _listed(f"{each:.9g}" for each in spec.std),
        # A tuple of one, too.
        "GAIN": "".join(f"{each}, " for each in gain).rstrip(),
        "OFFSET": "".join(f"{each}, " for each in offset).rstrip(),
        "GAIN_F": _listed(f"{each}f" for each in gain),
        "OFFSET_F": _listed(f"{each}f" for each in offset),
    }


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _float32(value: float) -> str:
    """A number of 32 bits, in digits that every language reads as that number."""
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    text = f"{rounded:.9g}"
    return text if set(text) & set(".en") else f"{text}.0"
