"""Division of the samples: those that calibrate, those that decide, and fresh ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from edgecnn_exporters.quantise.calibrate.samples import Samples, names_of
from edgecnn_runtime.arrays import Float32

# One sample in so many decides and does not calibrate …
HELD_OUT = 4
# … and where there are no others, one in so many stays fresh …
FRESH = 8
# … but no fewer than these: of four, one picture is a quarter of the verdict.
LEAST_JUDGES = 8


@dataclass(frozen=True)
class Division:
    """Samples that calibrate, that decide and that are fresh, and what the user is to know of them.

    Attributes:
        held_out: samples that decide between candidates.
        fresh: samples that neither calibrate nor decide; none where there are too few.
        independent: how many inputs of these two did not calibrate.
    """

    fit: Samples
    held_out: Samples
    fresh: Samples = ()
    notes: tuple[str, ...] = ()
    independent: int = 0


def divide(samples: Samples, fresh: Samples = ()) -> Division:
    """Divide the samples; every stretch of them has its judge, at another place each time.

    A sample that is the same as another to the last byte does not judge what the other calibrated.
    Where there are fewer than twice `LEAST_JUDGES` different ones, all of them do both.

    Args:
        fresh: further samples, which neither calibrate nor decide. Without them some of `samples`
            are kept for it, where there are enough.
    """
    digests = [_digest(sample) for sample in samples]
    first = {digest: number for number, digest in reversed(list(enumerate(digests)))}
    different = sorted(first.values())
    if len(different) < 2 * LEAST_JUDGES:
        note = (
            f"{len(different)} different samples calibrate and judge int8: with "
            f"{2 * LEAST_JUDGES} or more, some would only judge"
        )
        return Division(samples, samples, notes=(note,))
    places = list(_places(len(different)))
    judges = {different[place] for place in places}
    kept: set[int] = set()
    if len(fresh):
        known = set(digests)
        others = Part(fresh, {n for n, each in enumerate(fresh) if _digest(each) not in known})
    else:
        kept = {different[place] for place in _fresh_places(places, len(different))}
        others = Part(samples, kept)
    fit = {n for n, digest in enumerate(digests) if first[digest] not in judges | kept}
    independent = len(next(iter(samples))) * (len(judges) + len(others))
    return Division(Part(samples, fit), Part(samples, judges), others, independent=independent)


def _digest(sample: Float32) -> bytes:
    return hashlib.blake2b(sample.tobytes()).digest()


def _fresh_places(places: Sequence[int], count: int) -> Iterator[int]:
    """A place in every second stretch, half a stretch behind its judge; none of too few."""
    if count < FRESH * LEAST_JUDGES:
        return
    for number, place in enumerate(places):
        if number % (FRESH // HELD_OUT) == 0:
            begin, end = (each * count // len(places) for each in (number, number + 1))
            yield begin + (place - begin + (end - begin) // 2) % (end - begin)


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
class Part:
    """Some of the samples, one in memory at a time."""

    samples: Samples
    numbers: Collection[int]

    @property
    def names(self) -> list[str]:
        """What the user knows each of them by."""
        names = names_of(self.samples)
        return [names[number] for number in sorted(self.numbers)]

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Float32]:
        return (sample for number, sample in enumerate(self.samples) if number in self.numbers)
