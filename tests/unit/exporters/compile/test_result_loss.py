"""What 8-bit results lose is said, and refused where they become weak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unit.exporters.compile.test_network import INT8, LOGITS, bundle_of
from unit.exporters.targets.tflite.integer_support import quantised

from edgecnn_exporters.compile.network import qdq_artefact, read_network
from edgecnn_exporters.compile.result_loss import ResultLoss, result_loss
from edgecnn_exporters.errors import WeakQuantisation
from edgecnn_runtime.bundle import Bundle

# Ten classes near a tenth each, which differ by less than 1/256.
FAINT = "f = Flatten (x) [fc] z = Gemm <transB = 1> (f, faint) y = Softmax <axis = 1> (z)"


def loss_of(folder: Path, body: str, listed: float, *, allow_weak: bool = False) -> ResultLoss:
    entry = replace(INT8, sqnr_db={"y": (listed,)})
    path = bundle_of(folder, quantised(body, "float[N, K] y"), artefacts=(entry,))
    with Bundle(path) as bundle:
        return result_loss(read_network(bundle), qdq_artefact(bundle), allow_weak=allow_weak)


def test_a_softmax_below_the_steps_of_8_bits_is_refused_with_both_figures(tmp_path: Path) -> None:
    with pytest.raises(WeakQuantisation) as told:
        loss_of(tmp_path, FAINT, 55.9)
    said = str(told.value)
    assert said.startswith("small: y[0:10] has ")
    assert "55.9 dB in model.int8.onnx" in said
    assert "end the network at the logits: export it without its Softmax" in said
    assert "--allow-weak" in said
    allowed = loss_of(tmp_path, FAINT, 55.9, allow_weak=True)
    assert allowed.is_weak
    assert "export it without its Softmax" in allowed.notes[0]


def test_a_loss_above_the_limit_is_a_note(tmp_path: Path) -> None:
    found = loss_of(tmp_path, LOGITS, 60.0)
    assert not found.is_weak
    assert "60.0 dB in model.int8.onnx" in found.notes[0]


def test_results_that_keep_what_is_listed_say_nothing(tmp_path: Path) -> None:
    assert loss_of(tmp_path, LOGITS, 30.0) == ResultLoss()
    assert loss_of(tmp_path, FAINT, 0.0) == ResultLoss(), "the graph itself is weak"
