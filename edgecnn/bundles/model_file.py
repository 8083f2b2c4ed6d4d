"""Facts of an ``.onnx`` or ``.tflite`` file: inputs, outputs, operators, weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecnn_runtime.tensor_spec import TensorSpec


@dataclass(frozen=True)
class ModelFile:
    """A model file outside a bundle.

    Attributes:
        format: ``onnx`` or ``tflite``.
        size_bytes: of the file.
        inputs, outputs: with the types and shapes of the file itself.
        precision: ``int8`` where it quantises or holds integer weights, ``fp16`` where weights are
            of 16 bits, else ``fp32``.
        is_qdq: int8 by pairs of QuantizeLinear and DequantizeLinear around float operators.
        opset: domain → version of an ONNX file; empty of another.
        operators: type → count, the most frequent first.
        parameters: numbers in the weights.
        weights_bytes: of the weights.
        encodings: (scale, zero point) of the inputs and outputs that are int8 or uint8, of TFLite.
        producer: what wrote it, as the file says; empty where it does not.
        metadata: further texts in the file: name, description and the like.
    """

    format: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str
    is_qdq: bool
    opset: Mapping[str, int]
    operators: Mapping[str, int]
    parameters: int
    weights_bytes: int
    encodings: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    producer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelShow:
    """Document of a plain model file.

    Attributes:
        file: its path.
        model: its facts.
    """

    file: str
    model: ModelFile


def most_frequent(operators: Counter[str]) -> dict[str, int]:
    """Operators by their count, those of equal count by name."""
    return dict(sorted(operators.items(), key=lambda each: (-each[1], each[0])))
