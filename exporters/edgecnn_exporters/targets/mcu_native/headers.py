"""The firmware's sources of the network: plan, encodings, labels, preprocessing, golden example."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn_exporters.targets.compilers import IntegerNetwork
from edgecnn_exporters.targets.mcu.c_source import c_float, c_integers, c_list, c_string
from edgecnn_exporters.targets.mcu.header import MARK, pixel_table
from edgecnn_exporters.targets.mcu_native.plan import Memory
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.manifest import Preprocess

_TENSOR = """struct network_tensor {
    const char *name;
    float scale;    /* value = scale * (integer - zero_point) */
    int zero_point;
    int bytes;      /* uint8, channel by channel */
};
"""
_FROM_PIXELS = """
/* Fills the input from rows of pixels of NETWORK_CHANNELS grey levels in the order NETWORK_COLOUR,
 * resized and cropped already. It rounds as the bundle's preprocessing does: no float is needed. */
static inline void network_from_pixels(const uint8_t *pixels, uint8_t *input)
{
    for (int channel = 0; channel < NETWORK_CHANNELS; channel++)
        for (int at = 0; at < NETWORK_HEIGHT * NETWORK_WIDTH; at++)
            *input++ = network_pixel_table[channel][pixels[at * NETWORK_CHANNELS + channel]];
}
"""


def plan_source(plan: bytes) -> str:
    """``network.c``: the plan as an array in flash, aligned as the library asks."""
    return (
        f'/* {MARK} */\n#include "network.h"\n\n'
        f"_Alignas(64) const uint8_t network_plan[NETWORK_PLAN_BYTES] = {c_integers(plan)};\n"
    )


def network_header(network: IntegerNetwork, memory: Memory, ends: Sequence[Sequence[str]]) -> str:
    """``network.h``.

    Args:
        ends: names of the inputs, and of the outputs, in the plan's order.
    """
    shapes = {
        spec.name: spec.shape for spec in (*network.manifest.inputs, *network.manifest.outputs)
    }
    lines = [
        f"#define NETWORK_NAME {c_string(network.about.name)}",
        f"#define NETWORK_PLAN_BYTES {memory.plan_bytes}",
        "/* With pointers of 8 bytes: edgecnn_memory_size says what this processor needs. */",
        f"#define NETWORK_MEMORY_BYTES {memory.memory_bytes}",
        f"#define NETWORK_INPUTS {len(ends[0])}",
        f"#define NETWORK_INPUT_BYTES {memory.input_bytes}",
        f"#define NETWORK_OUTPUTS {len(ends[1])}",
        f"#define NETWORK_OUTPUT_BYTES {memory.output_bytes}",
        "",
        "extern const uint8_t network_plan[NETWORK_PLAN_BYTES];",
        "",
        _TENSOR,
    ]
    for which, names in zip(("inputs", "outputs"), ends, strict=True):
        rows = [_tensor_row(network, name, shapes[name]) for name in names]
        lines.append(f"static const struct network_tensor network_{which}[] = {c_list(rows)};")
    body = "\n".join([*lines, _labels(network)]) + _pixels(network)
    return _header("NETWORK_H", f"{body}\n")


def golden_header(inputs: Sequence[Array], outputs: Sequence[Array]) -> str:
    """``golden.h``: one example's input integers, and the output integers one after another."""
    names = [f"golden_input_{index}" for index in range(len(inputs))]
    arrays = "".join(
        f"static const uint8_t {name}[] = {c_integers(array)};\n"
        for name, array in zip(names, inputs, strict=True)
    )
    results = b"".join(array.tobytes() for array in outputs)
    return _header(
        "GOLDEN_H",
        f"{arrays}static const void *const golden_inputs[] = {c_list(names)};\n"
        f"static const uint8_t golden_output[] = {c_integers(results)};\n\n",
    )


def _header(guard: str, body: str) -> str:
    begin = f"/* {MARK} */\n#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
    return f"{begin}{body}#endif\n"


def _tensor_row(network: IntegerNetwork, name: str, shape: Sequence[int | None]) -> str:
    scale, zero_point = network.uint8[name]
    size = 1
    for extent in shape[1:]:
        assert extent is not None
        size *= extent
    return f"{{{c_string(name)}, {c_float(scale)}, {zero_point}, {size}}}"


def _labels(network: IntegerNetwork) -> str:
    if not network.labels:
        return ""
    rows = c_list(map(c_string, network.labels))
    return (
        f"\n#define NETWORK_LABELS {len(network.labels)}\n"
        f"static const char *const network_labels[] __attribute__((unused)) = {rows};\n"
    )


def _pixels(network: IntegerNetwork) -> str:
    """Preprocessing of an image; nothing for a network that reads no image."""
    spec = network.about.preprocess
    if spec is None:
        return ""
    image = network.manifest.inputs[0]
    channels, height, width = image.shape[1:]
    table = pixel_table(spec, network.uint8[image.name], "uint8")
    rows = ",\n".join(c_integers(row) for row in table)
    return (
        f"\n#define NETWORK_CHANNELS {channels}\n#define NETWORK_HEIGHT {height}\n"
        f"#define NETWORK_WIDTH {width}\n#define NETWORK_COLOUR {c_string(spec.colour)}\n"
        f"/* {_geometry(spec)} */\n"
        "static const uint8_t network_pixel_table[NETWORK_CHANNELS][256] __attribute__((unused)) "
        f"= {{\n{rows}}};\n{_FROM_PIXELS}"
    )


def _geometry(spec: Preprocess) -> str:
    """Resize and crop in words."""
    if isinstance(spec.resize, int):
        resize = f"the shorter side resized to {spec.resize} pixels"
    elif spec.resize is not None:
        resize = f"resized to {spec.resize[0]} rows of {spec.resize[1]} pixels"
    else:
        resize = "no resize"
    crop = f"the middle {spec.crop[0]} x {spec.crop[1]} pixels" if spec.crop else "no crop"
    return f"Before: {resize} by the filter {spec.filter}; {crop}."
