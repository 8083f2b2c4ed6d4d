"""Judgement of a simulator's answers: as near to the float network as the CPU's 8 bits are.

A vendor's kernels round otherwise than those of a CPU, so that their integers differ by steps. What
counts is the distance of both from the original's golden answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.compilers import IntegerNetwork
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.parity.difference import Answer, Difference, compare
from edgecnn_runtime.parity.group_difference import GroupDifference
from edgecnn_runtime.parity.tolerances import allowed_loss_db, lost_groups
from edgecnn_runtime.parity.verdict import ParityVerdict

Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class Agreement:
    """Agreement of a simulator's answers with the float network's.

    Attributes:
        simulated: difference of its answers from the golden outputs.
        cpu: the same of the CPU's int8.
        misses: what is further from the float network than the CPU's int8 allows, in words.
        classes: examples whose class is the float network's: by the simulator, by the CPU; None
            where the network is no classifier.
    """

    simulated: Difference
    cpu: Difference
    misses: tuple[str, ...]
    classes: tuple[int, int] | None

    @property
    def verdict(self) -> ParityVerdict:
        return "differs" if self.misses else "equal"

    @property
    def words(self) -> str:
        """Both SQNRs and the classes that agree."""
        text = f"{self.simulated.sqnr_db:.1f} dB to float, the CPU's int8 {self.cpu.sqnr_db:.1f} dB"
        if self.classes is not None:
            ours, cpus = self.classes
            text += f", top-1 {ours} of {self.simulated.n} (CPU {cpus})"
        return text + "".join(f"; {miss}" for miss in self.misses)


def judge(network: IntegerNetwork, answers: Sequence[Outputs]) -> Agreement:
    """Compare a simulator's answers to the golden examples with the float network's.

    A group of channels misses where its SQNR is below that of the CPU's int8 by more than another
    kernel's rounding makes (`allowed_loss_db`); a class, where the CPU's int8 has the float
    network's, and the float network's two scores are further apart than twice the largest error of
    the CPU's int8 in any example.

    Raises:
        CompilerFailed: an answer has not as many values as the float network's.
    """
    simulated, cpu = _difference(network, answers), _difference(network, network.cpu_int8)
    misses = [_miss(group, expected_db) for group, expected_db in lost_groups(simulated, cpu)]
    classes = None
    if network.manifest.postprocess is not None:
        classes = (_agreed(network, answers), _agreed(network, network.cpu_int8))
        misses += _other_classes(network, answers)
    return Agreement(simulated, cpu, tuple(misses), classes)


def _difference(network: IntegerNetwork, answers: Sequence[Outputs]) -> Difference:
    pairs = [
        Answer(name, reference, _shaped(answer[name], reference, name))
        for example, answer in zip(network.examples, answers, strict=True)
        for name, reference in example.outputs.items()
    ]
    return compare(pairs, network.manifest.groups)


def _shaped(answer: Array, reference: Array, name: str) -> Array:
    """The answer in the shape of the reference; simulators leave axes of one out.

    Raises:
        CompilerFailed: it has another number of values.
    """
    if answer.size != reference.size:
        raise CompilerFailed(
            f"the simulator answered {name!r} of shape {answer.shape}, expected {reference.shape}; "
            "compile again"
        )
    return answer.reshape(reference.shape)


def _miss(group: GroupDifference, expected_db: float) -> str:
    least = expected_db - allowed_loss_db(group.numbers)
    return f"{group.name} has {group.sqnr_db:.1f} dB, expected {least:.1f}"


def _agreed(network: IntegerNetwork, answers: Sequence[Outputs]) -> int:
    name = network.manifest.outputs[0].name
    return sum(
        int(example.outputs[name].argmax()) == int(answer[name].argmax())
        for example, answer in zip(network.examples, answers, strict=True)
    )


def _other_classes(network: IntegerNetwork, answers: Sequence[Outputs]) -> list[str]:
    """Examples whose class only the simulator has, in words."""
    name = network.manifest.outputs[0].name
    error = max(
        float(np.abs(cpu[name] - example.outputs[name]).max())
        for example, cpu in zip(network.examples, network.cpu_int8, strict=True)
    )
    misses = []
    for index, (example, cpu, answer) in enumerate(
        zip(network.examples, network.cpu_int8, answers, strict=True)
    ):
        scores, ours = example.outputs[name].ravel(), int(answer[name].argmax())
        best = int(scores.argmax())
        is_clear = float(scores[best] - scores[ours]) > 2 * error
        if ours != best and int(cpu[name].argmax()) == best and is_clear:
            misses.append(f"example {index} has class {ours}, the float network's is {best}")
    return misses
