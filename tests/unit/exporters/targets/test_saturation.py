"""Saturation of u8 × s8 products in 16 bits: the sums, and whether this processor does it."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from edgecnn_exporters.targets.saturation import add_pairs, saturates_here

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPUINFO.exists(), reason="no x86 that lists its features"
)
def test_x86_saturates_where_it_has_no_vnni() -> None:
    features = CPUINFO.read_text().split()
    assert saturates_here() == ("avx512_vnni" not in features and "avx_vnni" not in features)


def test_pairs_of_products_saturate_at_16_bits() -> None:
    inputs = np.array([[255, 255, 255]])
    weights = np.array([[127, 127, -1], [1, 1, 1]], np.int8).astype(np.int64)
    np.testing.assert_array_equal(add_pairs(inputs, weights), [[32767 - 255, 765]])
