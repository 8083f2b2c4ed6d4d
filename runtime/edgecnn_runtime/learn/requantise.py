"""Weights and encodings of an int8 ONNX artefact from what was learnt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.encoding import (
    Range,
    encode,
    hold_bias,
    quantise_bias,
    quantise_weight,
    weight_scales,
)
from edgecnn_runtime.training import QuantisedLayer, SeenRange, Training

# Behind the name of a float initialiser.
QUANTISED, SCALE, ZERO_POINT = ".quantised", ".scale", ".zero_point"


def requantise(
    training: Training,
    initialisers: Mapping[str, Float32],
    seen: Mapping[str, Range],
    known: Mapping[str, Array],
) -> dict[str, Array]:
    """Initialisers of the int8 artefact, by name.

    Args:
        initialisers: what was learnt, by the names of the float artefact.
        seen: range of each of `Training.ranges` in the batches that were learnt from; those that
            are missing keep their encoding.
        known: scales and zero points of the int8 artefact as it is, by name.
    """
    made = encodings(training.ranges, seen, known)
    quantised = set[str]()
    for layer in training.quantised:
        input_scale = made.get(layer.input_scale, known[layer.input_scale])
        made |= quantised_layer(layer, initialisers, float(input_scale))
        quantised |= {layer.weight} | ({layer.bias} if layer.bias else set())
    # What the int8 artefact keeps in float has the float artefact's name.
    made |= {name: array for name, array in initialisers.items() if name not in quantised}
    return made


def quantised_layer(
    layer: QuantisedLayer, initialisers: Mapping[str, Float32], input_scale: float
) -> dict[str, Array]:
    """Integers, scale and zero point of a layer's weight and bias.

    Weights are symmetric per output channel, the bias int32 at ``input_scale * weight_scale``.
    """
    weight = initialisers[layer.weight]
    bias = None if layer.bias is None else initialisers[layer.bias]
    # Channels of a grouped transposed convolution lie on two axes: one scale serves them all.
    is_split = bias is not None and len(bias) != weight.shape[layer.axis]
    scale = weight_scales(weight, None if is_split else layer.axis, layer.bits)
    if bias is not None:
        scale = hold_bias(scale, bias, input_scale)
    integers = quantise_weight(weight, scale, layer.axis, layer.bits).integers
    made = _constant(layer.weight, integers, _each(scale, weight.shape[layer.axis]))
    if bias is not None and layer.bias is not None:
        sums, bias_scale = quantise_bias(bias, input_scale, scale)
        made |= _constant(layer.bias, sums, _each(bias_scale, len(bias)))
    return made


def _each(scale: Float32, channels: int) -> Float32:
    """One scale for each channel, equal ones where the whole weight has one."""
    return np.full(channels, scale, np.float32) if scale.ndim == 0 else scale


def _constant(name: str, integers: Array, scale: Float32) -> dict[str, Array]:
    stem = f"{name}{QUANTISED}"
    zeros = np.zeros(scale.shape, integers.dtype)
    return {stem: integers, f"{stem}{SCALE}": scale, f"{stem}{ZERO_POINT}": zeros}


def encodings(
    ranges: tuple[SeenRange, ...], seen: Mapping[str, Range], known: Mapping[str, Array]
) -> dict[str, Array]:
    """Scales and zero points of the values whose range was seen.

    Values that share a scale share the range that holds them all.
    """
    joined: dict[tuple[str, str], Range] = {}
    for each in ranges:
        if each.value in seen:
            ends = (each.scale, each.zero_point)
            joined[ends] = seen[each.value].joined(joined.get(ends, seen[each.value]))
    made: dict[str, Array] = {}
    for (scale, zero_point), interval in joined.items():
        encoding, dtype = encode(interval), known[zero_point].dtype
        # The signed form is the same encoding with the zero point 128 lower.
        lowest = -128 if dtype == np.int8 else 0
        made[scale] = np.full(known[scale].shape, encoding.scale, np.float32)
        made[zero_point] = np.full(known[zero_point].shape, encoding.zero_point + lowest, dtype)
    return made
