"""Samples with the float network's outputs, which every candidate is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.samples import Samples, names_of
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.score import Outputs
from edgecnn_runtime.arrays import Float32

# Outputs of all samples that are kept in memory, in bytes; larger ones are computed each time.
KEPT = 64_000_000


@dataclass(frozen=True)
class Answered:
    """Samples with the float network's outputs for each, computed once where they are small.

    Attributes:
        model: the float network.
    """

    model: ir.Model
    samples: Samples

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Float32]:
        return iter(self.samples)

    @property
    def names(self) -> Sequence[str]:
        """What the user knows each of them by."""
        return names_of(self.samples)

    def outputs(self) -> Iterator[Outputs]:
        """The float network's outputs for each sample."""
        return iter(self._kept) if self._kept is not None else self._stream(self.samples)

    @cached_property
    def _kept(self) -> list[Outputs] | None:
        first = next(self._stream(list(islice(self.samples, 1))), {})
        size = sum(array.nbytes for array in first.values()) * len(self)
        return list(self._stream(self.samples)) if size <= KEPT else None

    def _stream(self, samples: Samples) -> Iterator[Outputs]:
        return self._probe.stream(samples)

    @cached_property
    def _probe(self) -> ValueProbe:
        return ValueProbe(self.model)
