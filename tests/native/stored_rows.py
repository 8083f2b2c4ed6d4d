"""Cases of groups that store an image for others, and read it through windows behind a ring."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from native.cases import Case, case_of
from native.formulas import Ending, Window
from native.network import Network, Place


def stored_before_windows(count: int, *, batch: int = 2) -> Iterator[Case]:
    """[add → table → 3×3 pool]: strips of two threads read the same rows of the stored sum."""
    three = Window((3, 3), pads=(1, 1))
    for number in range(count):
        rng = np.random.default_rng([103, number])
        network = Network(rng, batch)
        size = (48, 20 + number)  # strips that two and three threads share evenly
        x = network.image((64, *size))
        tables = [rng.permutation(256).astype(np.uint8) for _ in range(2)]
        y = network.add(x, x, end=Ending(table=tables[0]))
        z = network.table(y, Place(ring=12, pads=(1, 1)), Ending(table=tables[1]))
        z = network.pool("max_pool", z, three, size)
        network.group(4)
        network.output(z, is_float=False)
        yield case_of(f"stored-{number}", network, y)
