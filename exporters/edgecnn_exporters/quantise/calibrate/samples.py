"""Calibration samples, kept in a temporary file: one in memory at a time."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.scratch import refuse_full_disk
from edgecnn_runtime.arrays import Array, Float32


class Samples(Protocol):
    """Inputs of a network, (batch, …) float32 each, that can be iterated over repeatedly."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Float32]: ...


def names_of(samples: Samples) -> Sequence[str]:
    """The samples' names: file names of images where they are known, else their numbers."""
    names: Sequence[str] = getattr(samples, "names", ())
    return names or [f"sample {number}" for number in range(len(samples))]


class Spool:
    """Samples from any iterable, spooled to a temporary file so that they can be read repeatedly.

    Calibrating goes through its samples several times. Decoding photographs every time would take
    longer than the network does, and holding them grows with their number.

    Raises:
        CalibrationFailed: none came, or one differs in shape, is not numbers or not finite.
        OutputNotWritable: there is no room for them.
    """

    def __init__(self, samples: Iterable[Any], names: Sequence[str] = ()) -> None:
        """Write the samples to the file.

        Args:
            names: what the user knows them by; may be filled while the samples come.
        """
        self.names = names
        self._shape: tuple[int, ...] | None = None
        self._count = 0
        with refuse_full_disk():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 # `close` and `with` end it
        try:
            for sample in samples:
                self._append(np.asarray(sample))
            with refuse_full_disk():
                self._file.flush()
        except BaseException:
            with contextlib.suppress(OSError):  # a full disk once more
                self._file.close()
            raise
        if not self._count:
            self._file.close()
            raise CalibrationFailed("there are no samples to calibrate with")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        assert self._shape is not None
        return self._shape

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Float32]:
        size = 4 * int(np.prod(self.shape))
        for number in range(self._count):
            self._file.seek(number * size)
            yield np.frombuffer(self._file.read(size), np.float32).reshape(self.shape)

    def close(self) -> None:
        """Close and delete the temporary file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, sample: Array) -> None:
        where = f"calibration sample {self._count}"
        if sample.dtype.kind not in "fiu":
            raise CalibrationFailed(f"{where} holds {sample.dtype}, expected numbers")
        if self._shape is None:
            self._shape = sample.shape
        if sample.shape != self._shape:
            raise CalibrationFailed(
                f"{where} is {_words(sample.shape)}, those before it {_words(self._shape)}"
            )
        values = np.ascontiguousarray(sample, np.float32)
        if not np.isfinite(values).all():
            raise CalibrationFailed(f"{where} holds NaN or infinity")
        with refuse_full_disk():
            self._file.write(values.data)
        self._count += 1


def _words(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
