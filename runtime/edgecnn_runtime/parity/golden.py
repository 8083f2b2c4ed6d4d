"""Golden answers of an artefact, and its largest error in integer steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.adapted import Model
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Answer


def golden_answers(bundle: Bundle, model: Model) -> Iterator[Answer]:
    """Outputs of `model` for the golden examples, one after the other.

    Those in the file beside the bundle follow, where it is there.
    """
    inside = (bundle.golden(index) for index in range(len(bundle.manifest.golden)))
    for examples, is_outside in ((inside, False), (bundle.outside() or (), True)):
        for example in examples:
            with bundle.budget.step():
                outputs = model.run(example.inputs)
            for name, reference in example.outputs.items():
                yield Answer(name, reference, outputs[name], is_outside)


def largest_steps(answers: Iterable[Answer], artefact: Artefact) -> float | None:
    """The largest error in integer steps (multiples of the scale) of the encoded outputs.

    None where no output has an encoding.
    """
    steps = [
        float(np.abs(answer.actual - answer.reference).max()) / artefact.encodings[answer.output][0]
        for answer in answers
        if answer.output in artefact.encodings
    ]
    return max(steps, default=None)
