"""Targets of fuzzing: everything that reads a stranger's bytes.

A target takes bytes, and passes if it returns or refuses them with an error of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.limits.artefact import refuse_unsafe
from edgecnn_runtime.bundle.manifest_json import manifest_from_json
from edgecnn_runtime.bundle.npy import read_npy
from edgecnn_runtime.bundle.safetensors import read_safetensors, write_safetensors
from edgecnn_runtime.bundle.strict_json import strict_json
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.image.load import load_image

CORPUS = Path(__file__).parent / "corpus"
# Of an input; larger ones reach nothing new and take longer.
LARGEST = 4096


def bundle(content: bytes) -> None:
    """A ZIP archive, its manifest, and the digests of all that it lists."""
    path = _scratch() / "fuzzed.edge"
    path.write_bytes(content)
    with Bundle(path) as opened:
        opened.check()


def manifest(content: bytes) -> None:
    """The JSON of a manifest."""
    manifest_from_json(strict_json(content))


def npy(content: bytes) -> None:
    """A golden array."""
    try:
        array = read_npy(content)
    except ValueError:
        return
    assert array.nbytes <= len(content)


def safetensors(content: bytes) -> None:
    """Weights to learn, or a golden step."""
    try:
        tensors = read_safetensors(content)
    except ValueError:
        return
    assert sum(array.nbytes for array in tensors.values()) <= len(content)


def onnx(content: bytes) -> None:
    """The protobuf reader and the limits of an ONNX artefact."""
    refuse_unsafe("onnx", content, None, "fuzzed", Budget())


def tflite(content: bytes) -> None:
    """The flatbuffer reader and the limits of a TFLite artefact."""
    refuse_unsafe("tflite", content, None, "fuzzed", Budget())


def openvino(content: bytes) -> None:
    """The limits of an OpenVINO artefact: the first half is XML, the rest its weights."""
    half = len(content) // 2
    refuse_unsafe("openvino", content[:half], content[half:], "fuzzed", Budget())


def image(content: bytes) -> None:
    """Images of every format that Pillow decodes."""
    picture = load_image(content)
    assert picture.ndim == 3
    assert picture.dtype == np.uint8


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (bundle, manifest, npy, safetensors, onnx, tflite, openvino, image)
}


@cache
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="edgecnn-fuzz-"))


def run_one(name: str, content: bytes) -> None:
    """Give bytes to a target, which may refuse them.

    Raises:
        Exception: any but an error of edgecnn: a fault.
    """
    refusal = ""
    try:
        TARGETS[name](content)
    except EdgeCNNError as error:
        refusal = str(error)
    assert "\n" not in refusal, "a refusal takes one line"


def seeds() -> dict[str, list[bytes]]:
    """Sound inputs of each target, to begin with."""
    import io
    import json

    from hostile.generated.archives import listed, pack
    from hostile.generated.case import FEED, IMAGE, sound
    from PIL import Image

    document, members = sound()
    _, other = sound("tflite")
    _, xml = sound("openvino")
    described = {**document, "files": listed(members)}
    array = io.BytesIO()
    np.save(array, FEED)
    pictures = []
    for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "ICO", "PPM"):
        stream = io.BytesIO()
        Image.fromarray(IMAGE).save(stream, format)
        pictures.append(stream.getvalue())
    return {
        "bundle": [pack(described, members)],
        "manifest": [json.dumps(described).encode()],
        "npy": [array.getvalue()],
        "safetensors": [write_safetensors({"weight": FEED, "step": np.array(7)})],
        "onnx": [members["model.onnx"]],
        "tflite": [other["model.tflite"]],
        "openvino": [xml["model.openvino"].ljust(len(xml["model.openvino"])) + xml["model.bin"]],
        "image": pictures,
    }
