"""Proof by integers: an implementation's answers against LiteRT's reference kernels, or others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgecnn_exporters.targets.compilers import Example, IntegerNetwork, Proof
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.adapted import TO_NCHW, ScaleZeroPoint, dequantise
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Answer, Difference, compare
from edgecnn_runtime.parity.tolerances import is_within_limit, listed_db
from edgecnn_runtime.parity.verdict import ParityVerdict

Integers = Mapping[str, Array]


@dataclass(frozen=True)
class Answered:
    """Output integers of one example, by name, in the TFLite file's layout.

    Attributes:
        found: of the implementation that is judged.
        kernels: of LiteRT's reference kernels, or of those that stand for them.
    """

    example: Example
    found: Integers
    kernels: Integers


def other_encodings(artefact: Artefact, own: Mapping[str, ScaleZeroPoint]) -> Proof | None:
    """The proof of an artefact whose encodings in the manifest are not its own; None if they are.

    An app quantises the input and reads the result by them.
    """
    if dict(artefact.encodings) == dict(own):
        return None
    name = next(
        (name for name in own if artefact.encodings.get(name) != own[name]),
        next(iter(artefact.encodings), ""),
    )
    note = (
        f"the manifest has the encoding {artefact.encodings.get(name)} of {name!r}, the file "
        f"{own.get(name)}; compile it again"
    )
    return Proof(artefact.compiler or "", "differs", note, artefact.proof)


def judge_integers(
    network: IntegerNetwork,
    prover: str,
    subject: str,
    answered: Sequence[Answered],
    rewritten: int,
    kernels: str = "LiteRT's reference kernels",
) -> Proof:
    """The proof: exact where all integers are equal.

    Where a few differ, the implementation must come as near to the original's outputs as the
    kernels do, and the proof is a simulation. Some operators round differently by design:
    RESIZE_BILINEAR in TOSA; MUL in TFLM, which multiplies the scales in double where LiteRT's
    kernel does in float.

    Args:
        subject: what answers, for the note; may be empty.
        rewritten: number of FULLY_CONNECTED that the kernels computed as CONV_2D.
        kernels: whose integers `Answered.kernels` are.
    """
    steps = np.concatenate(
        [
            np.abs(each.found[name].astype(np.int32) - integers.astype(np.int32)).reshape(-1)
            for each in answered
            for name, integers in each.kernels.items()
        ]
    )
    share = float((steps == 0).mean())
    measured = _difference(network, [(each.example, each.found) for each in answered])
    examples = f"{len(answered)} example{'s' * (len(answered) > 1)}"
    note = (
        f"{subject}{int((steps == 0).sum()):,} of {steps.size:,} output integers of "
        f"{examples} are those of {kernels}"
        + (", which compute FULLY_CONNECTED as CONV_2D for this" if rewritten else "")
    )
    if share == 1.0:
        return Proof(prover, "equal", note, "exact", measured, share)
    by_kernels = _difference(network, [(each.example, each.kernels) for each in answered])
    as_made = replace(network.tflite_entry, sqnr_db=listed_db(by_kernels))
    verdict: ParityVerdict = "equal" if is_within_limit(measured, as_made) else "differs"
    note += (
        f", the others within {int(steps.max())} steps: {measured.sqnr_db:.1f} dB, and "
        f"{by_kernels.sqnr_db:.1f} dB by the kernels"
    )
    return Proof(prover, verdict, note, "simulated", measured, share)


def _difference(network: IntegerNetwork, answers: Sequence[tuple[Example, Integers]]) -> Difference:
    """Difference of integer answers from the original's outputs."""
    pairs = [
        Answer(name, reference, _real(network, name, integers[name]))
        for example, integers in answers
        for name, reference in example.outputs.items()
    ]
    return compare(pairs, network.manifest.groups)


def _real(network: IntegerNetwork, name: str, integers: Array) -> Array:
    entry = network.tflite_entry
    if entry.layout == "NHWC" and integers.ndim == 4:
        integers = integers.transpose(TO_NCHW)
    return dequantise(np.ascontiguousarray(integers), entry.encodings[name])
