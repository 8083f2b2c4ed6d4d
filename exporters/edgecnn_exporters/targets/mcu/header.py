"""The firmware's headers: model, constants, labels, preprocessing, operators, golden example."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgecnn_exporters.targets.compilers import IntegerNetwork
from edgecnn_exporters.targets.mcu.c_source import c_float, c_integers, c_list, c_string
from edgecnn_exporters.targets.mcu.tensors import Tensor, TensorList
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.adapted import ScaleZeroPoint, quantise
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

ALIGNMENT = 16
# In the first line of a file that edgecnn may replace.
MARK = "Written by edgecnn; do not edit."
_OPEN = """#pragma once

#include <cstdint>
{includes}
namespace network {{
"""
_CLOSE = "}  // namespace network\n"
_TENSOR = """struct Tensor {
  const char* name;
  float scale;
  int zero_point;
  int bytes;
};

"""
_RESOLVER = """using Resolver = tflite::MicroMutableOpResolver<{count}>;

// Adds the operators that the network uses, and no other.
inline TfLiteStatus AddOperators(Resolver& resolver) {{
{calls}
  return kTfLiteOk;
}}
"""
_FROM_PIXELS = """
// Fills the input from kHeight rows of kWidth pixels of kChannels grey levels in the order kColour,
// resized and cropped already. It rounds as the bundle's preprocessing does: no float is needed.
inline void InputFromPixels(const std::uint8_t* pixels, std::int8_t* input) {
  for (int at = 0; at < kHeight * kWidth * kChannels; ++at) {
    input[at] = kPixelToInput[at % kChannels][pixels[at]];
  }
}
"""


@dataclass(frozen=True)
class Ends:
    """Inputs and outputs of a network as a firmware sees them.

    Attributes:
        encodings: (scale, zero point) by name.
    """

    tensors: TensorList
    encodings: Mapping[str, ScaleZeroPoint]


def model_header(model: bytes) -> str:
    """``model.h``: the TFLite file as an array, aligned as its buffers are."""
    return _header(
        f"alignas({ALIGNMENT}) constexpr unsigned char kModel[] = {c_integers(model)};\n"
        f"constexpr int kModelBytes = {len(model)};\n"
    )


def network_header(
    network: IntegerNetwork, ends: Ends, arena_bytes: int, methods: Sequence[str]
) -> str:
    """``network.h``: names, arena, ends, labels, preprocessing, operators."""
    rounded = math.ceil(arena_bytes / ALIGNMENT) * ALIGNMENT
    tensors = ends.tensors
    calls = "\n".join(
        f"  if (resolver.{method}() != kTfLiteOk) return kTfLiteError;" for method in methods
    )
    return _header(
        f"constexpr char kName[] = {c_string(network.about.name)};\n"
        "// As TFLite Micro's interpreter needs it with pointers of 8 bytes; see README.md.\n"
        f"constexpr int kArenaBytes = {rounded};\n\n{_TENSOR}"
        f"{_ends('Input', tensors.inputs, ends)}{_ends('Output', tensors.outputs, ends)}"
        f"{_labels(network)}{_pixels(network, ends)}"
        f"{_RESOLVER.format(count=len(methods), calls=calls)}",
        '\n#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n',
    )


def golden_header(inputs: Sequence[Array], outputs: Sequence[Array]) -> str:
    """``golden.h``: one example's input and output integers, by number."""
    lines = []
    for ends, arrays in (("Input", inputs), ("Output", outputs)):
        names = [f"kGolden{ends}{index}" for index in range(len(arrays))]
        lines += [
            f"constexpr std::int8_t {name}[] = {c_integers(array)};\n"
            for name, array in zip(names, arrays, strict=True)
        ]
        lines.append(f"constexpr const std::int8_t* kGolden{ends}s[] = {c_list(names)};\n")
    return _header("".join(lines))


def pixel_table(
    spec: Preprocess, encoding: ScaleZeroPoint, dtype: Literal["int8", "uint8"] = "int8"
) -> Array:
    """Input integer of each grey level: (channels, 256), by the runtime's own arithmetic."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    plain = replace(spec, resize=None, crop=None, layout="NCHW")
    return quantise(preprocess(ramp, plain)[0, :, 0, :], encoding, dtype)


def _header(body: str, includes: str = "") -> str:
    return f"// {MARK}\n{_OPEN.format(includes=includes)}\n{body}\n{_CLOSE}"


def _ends(which: str, tensors: Mapping[str, Tensor], ends: Ends) -> str:
    rows = []
    for name, tensor in tensors.items():
        scale, zero_point = ends.encodings[name]
        rows.append(f"{{{c_string(name)}, {c_float(scale)}, {zero_point}, {tensor.size_bytes}}}")
    return (
        f"constexpr int k{which}Count = {len(rows)};\n"
        f"constexpr Tensor k{which}s[] = {c_list(rows)};\n\n"
    )


def _labels(network: IntegerNetwork) -> str:
    softmax = network.manifest.postprocess is not None and network.manifest.postprocess.softmax
    count = len(network.labels)
    array = f"constexpr const char* kLabels[] = {c_list(map(c_string, network.labels))};\n"
    # An array of none is no C++.
    none = "constexpr const char* const* kLabels = nullptr;\n"
    return (
        f"constexpr bool kSoftmax = {str(softmax).lower()};\n"
        f"constexpr int kLabelCount = {count};\n{array if count else none}\n"
    )


def _pixels(network: IntegerNetwork, ends: Ends) -> str:
    """Preprocessing of an image; nothing for a network that reads no image."""
    spec = network.about.preprocess
    if spec is None:
        return ""
    name, tensor = next(iter(ends.tensors.inputs.items()))
    height, width, channels = tensor.shape[1:]
    table = pixel_table(spec, ends.encodings[name])
    rows = ",\n".join(c_integers(row) for row in table)
    return (
        f"constexpr int kHeight = {height};\nconstexpr int kWidth = {width};\n"
        f"constexpr int kChannels = {channels};\n"
        f"constexpr char kColour[] = {c_string(spec.colour)};\n{_geometry(spec)}"
        f"constexpr float kPixelScale = {c_float(spec.scale)};\n"
        f"constexpr float kMean[] = {c_list(map(c_float, spec.mean))};\n"
        f"constexpr float kStd[] = {c_list(map(c_float, spec.std))};\n"
        f"constexpr std::int8_t kPixelToInput[kChannels][256] = {{\n{rows}}};\n{_FROM_PIXELS}\n"
    )


def _geometry(spec: Preprocess) -> str:
    """Resize and crop; 0 where there is none. kResizeShorter keeps the image's proportions."""
    shorter = spec.resize if isinstance(spec.resize, int) else 0
    resize = spec.resize if isinstance(spec.resize, tuple) else (0, 0)
    crop = spec.crop or (0, 0)
    values = {
        "ResizeShorter": shorter,
        "ResizeHeight": resize[0],
        "ResizeWidth": resize[1],
        "CropHeight": crop[0],
        "CropWidth": crop[1],
    }
    filter_line = f"constexpr char kResizeFilter[] = {c_string(spec.filter)};\n"
    return filter_line + "".join(f"constexpr int k{name} = {n};\n" for name, n in values.items())
