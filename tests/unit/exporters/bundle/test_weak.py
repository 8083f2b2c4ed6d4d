"""int8 artefacts that lose too much are refused, or flagged where that is allowed."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn_exporters.bundle.accept import Accepted
from edgecnn_exporters.bundle.weak import flag_weak
from edgecnn_exporters.errors import LimitMissed, WeakQuantisation
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.difference import Answer, Difference, compare
from edgecnn_runtime.parity.weakness import weakness

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((32, 10))


def noisy(decibels: float, reference: Array = LOGITS) -> Difference:
    noise = RNG.standard_normal(reference.shape) * 10 ** (-decibels / 20)
    return compare([Answer("logits", reference, reference + noise)])


def flagged(artefact: Artefact, measured: Difference, allow_weak: bool) -> Artefact:
    return flag_weak([artefact], [Accepted(artefact, measured)], False, allow_weak)[0]


INT8 = Artefact("model.int8.onnx", "onnx", "int8")


def test_an_artefact_of_eleven_decibels_is_weak_and_refused() -> None:
    with pytest.raises(WeakQuantisation, match=r"model.int8.onnx is weak: logits\[0:10\] has an"):
        flagged(INT8, noisy(11), False)
    assert issubclass(WeakQuantisation, LimitMissed)


def test_it_is_flagged_where_it_is_allowed() -> None:
    assert flagged(INT8, noisy(11), True).is_weak
    assert not flagged(INT8, noisy(20), True).is_weak


def test_a_float_artefact_is_never_weak() -> None:
    fp32 = Artefact("model.onnx", "onnx", "fp32")
    assert not flagged(fp32, noisy(11), False).is_weak


def test_a_classifier_that_names_the_same_classes_is_not_weak() -> None:
    certain = np.eye(10).repeat(4, 0) * 20 + RNG.standard_normal((40, 10))
    measured = noisy(-3.5, certain)
    assert measured.top1_agreement == 1
    assert weakness(measured, is_classifier=False) is not None
    assert weakness(measured, is_classifier=True) is None


def test_agreement_on_one_and_the_same_class_proves_nothing() -> None:
    same = np.eye(10)[[3] * 40] * 20 + RNG.standard_normal((40, 10))
    measured = noisy(-3.5, same)
    assert (measured.top1_agreement, measured.top1_of_constant) == (1, 1)
    assert weakness(measured, is_classifier=True) is not None


def test_answers_that_are_one_number_are_told_as_such() -> None:
    measured = compare([Answer("logits", LOGITS, np.zeros_like(LOGITS))])
    assert weakness(measured, False) == "logits[0:10] is the same number for every input"
