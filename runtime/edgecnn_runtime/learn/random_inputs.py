"""Random inputs of a training graph: the same for the same seed and step, on every machine."""

from __future__ import annotations

import numpy as np

from edgecnn_runtime.arrays import Float32

# A float32 holds 24 bits of a number below 1.
_BITS = 24


def uniform(seed: int, step: int, place: int, shape: tuple[int, ...]) -> Float32:
    """Numbers in [0, 1), of 24 bits, from a generator that counts and keeps no state.

    Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with the key (seed,
    step): a run that goes on after a restart draws what it would have drawn. numpy promises the
    same raw numbers from version to version, not the same floats, so these are made here.

    Args:
        seed, step: below 2^64.
        place: of the input among the random ones.
    """
    key = np.array([seed, step], np.uint64)
    generator = np.random.Philox(key=key, counter=np.array([0, 0, 0, place], np.uint64))
    count = int(np.prod(shape, dtype=np.int64))
    raw = generator.random_raw((count + 1) // 2)
    halves = np.empty((len(raw), 2), np.uint32)
    halves[:, 0], halves[:, 1] = raw & 0xFFFFFFFF, raw >> np.uint64(32)
    numbers = halves.ravel()[:count] >> np.uint32(32 - _BITS)
    return (numbers.astype(np.float32) * np.float32(2.0**-_BITS)).reshape(shape)
