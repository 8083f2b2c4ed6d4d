"""What OpenVINO's kernels do on this processor, as its target says."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets import About, Translated
from edgecnn_exporters.targets.openvino.target import OpenVinoTarget
from edgecnn_exporters.targets.saturation import saturates_here


def translated(weight_bits: int) -> Translated:
    random = np.random.default_rng(0)
    weight = random.standard_normal((4, 3, 1, 1)).astype(np.float32)
    samples = list(random.standard_normal((8, 1, 3, 6, 6)).astype(np.float32))
    model = network("y = Conv (x, w)", {"w": weight}, reads="float[N, 3, 6, 6] x")
    integer = quantise(model, samples, QuantConfig("fast", weight_bits=weight_bits)).model
    return OpenVinoTarget().translate(integer, "int8", About("net", weight_bits=weight_bits))


@pytest.mark.parametrize("weight_bits", [8, 7])
def test_saturation_is_noted_of_8_bit_weights_where_there_is_any(weight_bits: int) -> None:
    is_noted = any("saturates" in note for note in translated(weight_bits).notes)
    assert is_noted == (weight_bits == 8 and saturates_here())


def test_an_exact_engine_is_offered_where_kernels_saturate() -> None:
    engine = OpenVinoTarget().open_exact(translated(8))
    assert (engine is not None) == saturates_here()
    if engine is not None:
        engine.close()
