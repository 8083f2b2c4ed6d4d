"""Examples that artefacts are judged by: inputs with the original network's outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecnn_exporters.capture.reference import Example
from edgecnn_runtime.engines.adapted import Model
from edgecnn_runtime.parity.difference import Answer, Difference, Groups, compare

# Samples of the user's in the file beside the bundle, at most.
OUTSIDE = 8


@dataclass(frozen=True)
class Examples:
    """Examples that an artefact must answer before it is packed.

    Attributes:
        golden: those of the bundle, which `edgecnn verify` repeats.
        held_out: samples of the user's that did not calibrate; none where nothing was quantised.
        groups: groups of each output's channels.
        are_private: the samples held out are the user's: they are what the network sees and decide
            alone; `OUTSIDE` of them go to a file beside the bundle and none into it.
    """

    golden: Sequence[Example]
    held_out: Sequence[Example]
    groups: Groups
    are_private: bool = False

    @property
    def judged(self) -> list[Example]:
        """Those that decide: the golden examples and those held out, or the user's alone."""
        if self.are_private and self.held_out:
            return list(self.held_out)
        return [*self.golden, *self.held_out]

    @property
    def outside(self) -> Sequence[Example]:
        """Examples of the file beside the bundle."""
        return self.held_out[:OUTSIDE] if self.are_private else ()

    def compare(self, model: Model, input_name: str) -> Compared:
        """Difference of a model's outputs from the original's.

        Raises:
            EngineError: its engine fails.
            ValueError: an output has another shape.
        """
        golden = list(_answers(model, input_name, self.golden))
        held_out = list(_answers(model, input_name, self.held_out))
        judged = held_out if self.are_private and held_out else [*golden, *held_out]
        outside = held_out[: sum(len(expected) for _, expected in self.outside)]
        return Compared(
            compare(judged, self.groups),
            compare(golden, self.groups),
            compare(outside, self.groups) if outside else None,
        )


@dataclass(frozen=True)
class Compared:
    """Difference over the examples that decide, the golden ones, and those beside the bundle."""

    judged: Difference
    golden: Difference
    outside: Difference | None


def _answers(model: Model, input_name: str, examples: Sequence[Example]) -> Iterator[Answer]:
    for feed, expected in examples:
        outputs = model.run({input_name: feed})
        yield from (Answer(name, array, outputs[name]) for name, array in expected.items())
