"""The order of engines and precisions by instruction set, where nothing was measured.

docs/engines.md has the figures that it rests on. Needs no numpy.
"""

from __future__ import annotations

from edgecnn_runtime.host.processor import InstructionSet

Kind = tuple[str, str]
"""Engine and precision."""

_NATIVE: Kind = ("native", "int8")
_FLOATS: tuple[Kind, ...] = (
    *(("tflite", "fp32"), ("onnxruntime", "fp32"), ("openvino", "fp32")),
    *(("tflite", "fp16"), ("openvino", "fp16"), ("onnxruntime", "fp16")),
)

ORDER: dict[InstructionSet, tuple[Kind, ...]] = {
    InstructionSet.X86_VNNI: (
        *(_NATIVE, ("tflite", "int8"), ("openvino", "int8"), ("onnxruntime", "int8")),
        *_FLOATS,
    ),
    # Exact 8-bit products of other engines take about as long as float there. OpenVINO's saturate:
    # its answers are wrong with weights of 8 bits.
    InstructionSet.X86_AVX2: (
        *(_NATIVE, *_FLOATS),
        *(("tflite", "int8"), ("onnxruntime", "int8"), ("openvino", "int8")),
    ),
    InstructionSet.ARM_DOT: (
        *(_NATIVE, ("tflite", "int8"), ("onnxruntime", "int8"), ("openvino", "int8")),
        *_FLOATS,
    ),
    InstructionSet.ARM_NEON: (
        *(_NATIVE, ("tflite", "int8"), *_FLOATS),
        *(("onnxruntime", "int8"), ("openvino", "int8")),
    ),
    # The plan's kernels are portable C there, without vectors.
    InstructionSet.OTHER: (
        *_FLOATS,
        *(("tflite", "int8"), ("onnxruntime", "int8"), _NATIVE, ("openvino", "int8")),
    ),
}
"""Fastest first."""


def place(instruction_set: InstructionSet, engine: str, precision: str) -> int:
    """Place in the order, from 0; behind all others what it does not name."""
    order = ORDER[instruction_set]
    kind = (engine, precision)
    return order.index(kind) if kind in order else len(order)
