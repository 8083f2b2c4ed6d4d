"""Loss of answers whose last values are held in 8 bits too.

The bundle's QDQ graph leaves the result of its last sum, and a Softmax behind it, in float, and its
manifest lists the SQNR of that. Compiled networks answer in 8 bits: a Softmax then has steps of
1/256, which probabilities of many classes lie below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel, WeakQuantisation
from edgecnn_exporters.targets.compilers import IntegerNetwork
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Answer, Difference, compare
from edgecnn_runtime.parity.group_difference import GroupDifference
from edgecnn_runtime.parity.tolerances import ALLOWED_LOSS_DB, FLOOR_DB, by_output, weak_groups
from edgecnn_runtime.parity.weakness import keeps_classes


@dataclass(frozen=True)
class ResultLoss:
    """Loss of a network's 8-bit results against its float ones.

    Attributes:
        notes: what lost more than `ALLOWED_LOSS_DB`, for the user.
        is_weak: the results lose more than 8 bits should.
    """

    notes: tuple[str, ...] = ()
    is_weak: bool = False


def result_loss(network: IntegerNetwork, source: Artefact, *, allow_weak: bool) -> ResultLoss:
    """What the 8-bit results of a network lose of the golden outputs, beside its QDQ graph's.

    Args:
        source: the entry of the QDQ graph in the manifest.

    Raises:
        WeakQuantisation: they are weak, the graph is not, and that was not allowed.
        UnsupportedModel: the graph's outputs are not those of the manifest.
    """
    if not network.examples:
        return ResultLoss()
    difference = _difference(network)
    losses = _losses(difference, source, is_outside=network.manifest.outside is not None)
    if not losses:
        return ResultLoss()
    is_classifier = network.manifest.postprocess is not None
    weak = () if keeps_classes(difference, is_classifier) else weak_groups(difference)
    lost = [loss for loss in losses if loss[0] in weak and not loss[0].sqnr_db >= FLOOR_DB]
    told = lost or losses
    words, mend = _words(told, source), _mend(network, told[0][0].output)
    if lost and not allow_weak:
        raise WeakQuantisation(
            f"{network.about.name}: {words}, expected {FLOOR_DB:.0f}; nothing was written; {mend}, "
            "or write it as weak with --allow-weak"
        )
    return ResultLoss((f"{words}; {mend}",), bool(lost))


def _difference(network: IntegerNetwork) -> Difference:
    try:
        return compare(
            (
                Answer(name, reference, answer[name])
                for example, answer in zip(network.examples, network.cpu_int8, strict=True)
                for name, reference in example.outputs.items()
            ),
            network.manifest.groups,
        )
    except (KeyError, ValueError) as error:
        raise UnsupportedModel(
            f"{network.about.name}: its 8-bit graph does not answer as its golden examples do "
            f"({error}); export it again"
        ) from error


def _losses(
    difference: Difference, source: Artefact, *, is_outside: bool
) -> list[tuple[GroupDifference, float]]:
    """Groups that lost more than is allowed, the worst first, each with the SQNR listed for it."""
    listed = source.outside_db if is_outside else source.sqnr_db
    pairs = [
        (group, expected)
        for name, groups in by_output(difference).items()
        if len(groups) == len(listed.get(name, ()))
        for group, expected in zip(groups, listed[name], strict=True)
    ]
    # Written so that NaN is a loss.
    lost = [each for each in pairs if not each[0].sqnr_db >= each[1] - ALLOWED_LOSS_DB]
    return sorted(lost, key=lambda each: each[0].sqnr_db)


def _words(losses: Sequence[tuple[GroupDifference, float]], source: Artefact) -> str:
    """The worst of them in words, the others counted."""
    group, expected = losses[0]
    more = f" ({len(losses) - 1} more outputs or groups lose too)" if len(losses) > 1 else ""
    return (
        f"{group.name} has {group.sqnr_db:.1f} dB where its result is held in 8 bits, "
        f"{expected:.1f} dB in {source.path}, whose result is float{more}"
    )


def _mend(network: IntegerNetwork, output: str) -> str:
    """What would keep an output's answers: the encodings of functions are prescribed."""
    import onnx

    from edgecnn_exporters.capture.result_operator import result_operator
    from edgecnn_exporters.quantise.graph.integer_results import PRESCRIBED

    model = ir.from_proto(onnx.load_from_string(network.onnx))
    values = {str(value.name): value for value in model.graph.outputs}
    node = result_operator(values[output])
    if node is not None and node.op_type in PRESCRIBED:
        return f"end the network at the logits: export it without its {node.op_type}"
    return "export it again with --calibrate and more of your data"
