"""Examples that artefacts are judged by: inputs with the original network's outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.engines.adapted import Model
from edgecnn_runtime.parity.difference import Answer, Difference, Groups, compare

# One input, and the original's outputs by name.
Example = tuple[Float32, Mapping[str, Array]]


@dataclass(frozen=True)
class Examples:
    """Examples that an artefact must answer before it is packed.

    Attributes:
        golden: those of the bundle, which `edgecnn verify` repeats.
        held_out: samples of the user's that did not calibrate; none where nothing was quantised.
        groups: groups of each output's channels.
    """

    golden: Sequence[Example]
    held_out: Sequence[Example]
    groups: Groups

    @property
    def all(self) -> list[Example]:
        """The golden examples and those held out."""
        return [*self.golden, *self.held_out]

    def compare(self, model: Model, input_name: str) -> tuple[Difference, Difference]:
        """Difference of a model's outputs from the original's: of all examples, and of the golden.

        Raises:
            EngineError: its engine fails.
            ValueError: an output has another shape.
        """
        answers = list(_answers(model, input_name, self.all))
        golden = sum(len(expected) for _, expected in self.golden)
        return compare(answers, self.groups), compare(answers[:golden], self.groups)


def references(examples: Sequence[Example]) -> Iterator[Answer]:
    """The original's outputs as its own answers."""
    for _, expected in examples:
        yield from (Answer(name, array, array) for name, array in expected.items())


def _answers(model: Model, input_name: str, examples: Sequence[Example]) -> Iterator[Answer]:
    for feed, expected in examples:
        outputs = model.run({input_name: feed})
        yield from (Answer(name, array, outputs[name]) for name, array in expected.items())
