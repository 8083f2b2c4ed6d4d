"""Provenance of a bundle that has learnt: from which bundle, how much, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array, Int64
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines.engine_id import engine_id
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.parity.contents import GOLDEN_LABELS

ACCOUNT = "learn.account"
"""Name of the account among the arrays of a state."""
LEARNT = "learnt"
"""Key of the provenance: what was learnt on devices, the first save first."""
# Keys of an export's and a compilation's provenance that are figures of the weights as they were,
# or of artefacts that learning leaves out.
_STALE = ("accuracy", "compiled", "targets", GOLDEN_LABELS)
_QUANTISATION = "quantisation"


@dataclass(frozen=True)
class Account:
    """How much was learnt since a bundle was opened.

    Attributes:
        seed: of the random inputs.
        steps: number of steps.
        images: number of images in them.
        rates: least and greatest learning rate; empty before the first step.
        held_out: accuracy on labelled images that were not learnt from, as the caller states it.
    """

    seed: int
    steps: int = 0
    images: int = 0
    rates: tuple[float, ...] = ()
    held_out: Mapping[str, Any] = field(default_factory=dict)

    def after(self, images: int, learning_rate: float) -> Account:
        """The account one step later."""
        rates = (*self.rates, learning_rate)
        return Account(
            self.seed, self.steps + 1, self.images + images, (min(rates), max(rates)), self.held_out
        )

    def arrays(self) -> dict[str, Array]:
        """Steps, images and rates, without loss; `restored` reads them."""
        counts = np.array([self.steps, self.images], np.int64)
        return {ACCOUNT: np.concatenate([counts, self._rate_bits()])}

    def restored(self, arrays: Mapping[str, Array]) -> Account:
        """The account of the arrays that `arrays` gave."""
        steps, images, *bits = arrays[ACCOUNT].tolist()
        rates = tuple(np.array(bits, np.int64).view(np.float64).tolist()) if steps else ()
        return replace(self, steps=steps, images=images, rates=rates)

    def _rate_bits(self) -> Int64:
        """The bits of both rates: a float32 would round what the user stated."""
        bits: Int64 = np.array(self.rates or (0.0, 0.0), np.float64).view(np.int64)
        return bits


def learnt_provenance(
    bundle: Bundle,
    manifest: Manifest,
    labels: tuple[str, ...],
    answers: Sequence[Mapping[str, Array]],
    account: Account,
    left_out: Sequence[str],
) -> dict[str, Any]:
    """The provenance of what is saved, with one entry more.

    Args:
        manifest: of what is saved.
        answers: of its float artefact to the golden inputs.
        left_out: files of the bundle that was opened, and the file of golden examples beside it.
    """
    before = bundle.manifest
    provenance = {key: each for key, each in before.provenance.items() if key not in _STALE}
    if all(one.precision != "int8" for one in manifest.artefacts):
        provenance.pop(_QUANTISATION, None)
    scores = [each[manifest.outputs[0].name] for each in answers]
    if labels and scores and all(each.ndim == 2 and len(each) == 1 for each in scores):
        provenance[GOLDEN_LABELS] = [labels[int(each[0].argmax())] for each in scores]
    entry: dict[str, Any] = {
        "parent_sha256": bundle.sha256(),
        "steps": account.steps,
        "images": account.images,
        "learning_rate": list(account.rates),
        "seed": account.seed,
        "engine": engine_id(OnnxRuntimeEngine).label,
        "left_out": list(left_out),
    }
    if labels != bundle.labels():
        entry["classes"] = {
            "before": before.outputs[0].shape[-1],
            "after": manifest.outputs[0].shape[-1],
        }
    if account.held_out:
        entry["held_out"] = dict(account.held_out)
    earlier = before.provenance.get(LEARNT)
    # Bundles are open to other writers: what is no list is replaced.
    entries = earlier if isinstance(earlier, list) else []
    return provenance | {LEARNT: [*entries, entry]}
