"""Whether pairs of products saturate is asked of the processor itself."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.diagnose.causes.saturation import saturates_here
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import Probe
from edgecnn_exporters.quantise.ladder import quantise

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPUINFO.exists(), reason="no x86 that lists its features"
)
def test_x86_saturates_where_it_has_no_vnni() -> None:
    features = CPUINFO.read_text().split()
    assert saturates_here() == ("avx512_vnni" not in features and "avx_vnni" not in features)


def test_a_weight_that_two_nodes_share_is_no_reason_to_refuse_a_graph() -> None:
    random = np.random.default_rng(0)
    weight = random.standard_normal((3, 3, 1, 1)).astype(np.float32)
    samples = list(random.standard_normal((8, 1, 3, 6, 6)).astype(np.float32))
    model = network("a = Conv (x, w) y = Conv (a, w)", {"w": weight}, reads="float[N, 3, 6, 6] x")
    integer = quantise(model, samples, QuantConfig("fast")).model
    assert Probe(integer, ["y"]).run(samples[0])["y"].shape == (1, 3, 6, 6)
