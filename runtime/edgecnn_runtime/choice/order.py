"""The order of engines and precisions by instruction set, where nothing was measured.

docs/engines.md has the figures that it rests on. Needs no numpy.
"""

from __future__ import annotations

from edgecnn_runtime.host.processor import InstructionSet

Kind = tuple[str, str]
"""Engine and precision."""

# Of 8 bits the geometric mean over nine networks with VNNI; LiteRT and ONNX Runtime have kernels
# of their own for ARM, OpenVINO's 8-bit ones are for x86.
_INT8_X86: tuple[Kind, ...] = (("tflite", "int8"), ("openvino", "int8"), ("onnxruntime", "int8"))
_INT8_ARM: tuple[Kind, ...] = (("tflite", "int8"), ("onnxruntime", "int8"), ("openvino", "int8"))
_FLOAT_X86: tuple[Kind, ...] = (
    *(("openvino", "fp32"), ("onnxruntime", "fp32"), ("tflite", "fp32")),
    *(("openvino", "fp16"), ("tflite", "fp16"), ("onnxruntime", "fp16")),
)
_FLOAT_ARM: tuple[Kind, ...] = (
    *(("tflite", "fp32"), ("onnxruntime", "fp32"), ("openvino", "fp32")),
    *(("tflite", "fp16"), ("openvino", "fp16"), ("onnxruntime", "fp16")),
)
_NATIVE: Kind = ("native", "int8")

ORDER: dict[InstructionSet, tuple[Kind, ...]] = {
    InstructionSet.X86_VNNI: (_NATIVE, *_INT8_X86, *_FLOAT_X86),
    # Exact 8-bit products of other engines take longer than float there.
    InstructionSet.X86_AVX2: (_NATIVE, *_FLOAT_X86, *_INT8_X86),
    InstructionSet.ARM_DOT: (_NATIVE, *_INT8_ARM, *_FLOAT_ARM),
    InstructionSet.ARM_NEON: (_NATIVE, _INT8_ARM[0], *_FLOAT_ARM, *_INT8_ARM[1:]),
    # The plan's kernels are portable C there, without vectors.
    InstructionSet.OTHER: (*_FLOAT_X86, *_INT8_X86, _NATIVE),
}
"""Fastest first."""


def place(instruction_set: InstructionSet, engine: str, precision: str) -> int:
    """Place in the order, from 0; behind all others what it does not name."""
    order = ORDER[instruction_set]
    kind = (engine, precision)
    return order.index(kind) if kind in order else len(order)
