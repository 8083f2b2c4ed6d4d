"""Division of the samples into those that calibrate and those that judge."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_runtime.arrays import Float32

# One sample in so many judges and does not calibrate …
HELD_OUT = 4
# … but no fewer than these: of four, one picture is a quarter of the verdict.
LEAST_JUDGES = 8


@dataclass(frozen=True)
class Division:
    """Samples that calibrate, samples that judge, and what the user is to know of them."""

    fit: Samples
    held_out: Samples
    notes: tuple[str, ...] = ()


def divide(samples: Samples) -> Division:
    """Divide the samples; every stretch of them has its judge, at another place each time.

    A sample that is the same as another to the last byte does not judge what the other calibrated.
    Where there are fewer than twice `LEAST_JUDGES` different ones, all of them do both.
    """
    digests = [hashlib.blake2b(sample.tobytes()).digest() for sample in samples]
    first = {digest: number for number, digest in reversed(list(enumerate(digests)))}
    different = sorted(first.values())
    if len(different) < 2 * LEAST_JUDGES:
        note = (
            f"{len(different)} different samples calibrate and judge int8: with "
            f"{2 * LEAST_JUDGES} or more, some would only judge"
        )
        return Division(samples, samples, (note,))
    judges = {different[place] for place in _places(len(different))}
    fit = {number for number, digest in enumerate(digests) if first[digest] not in judges}
    return Division(_Part(samples, fit), _Part(samples, judges))


def _places(count: int) -> Iterator[int]:
    """One place in each of so many stretches, in each at the next place of the stretch.

    Samples that come in turns, as the four photographs and their crops do, are met alike.
    """
    stretches = max(LEAST_JUDGES, count // HELD_OUT)
    for number in range(stretches):
        begin, end = (each * count // stretches for each in (number, number + 1))
        extent = end - begin
        turns = number // max(1, HELD_OUT // extent)
        # Shifted once more in every round: sources may come in turns of twice four as well.
        yield begin + (turns + turns // extent) % extent


@dataclass(frozen=True)
class _Part:
    """Some of the samples, one in memory at a time."""

    samples: Samples
    numbers: Collection[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Float32]:
        return (sample for number, sample in enumerate(self.samples) if number in self.numbers)
