"""Diagnosis of a graph against the PyTorch layers that it was exported from."""

from __future__ import annotations

import re

import pytest
from parity.faults.in_graphs import GRAPH_FAULTS, GraphFault
from parity.faults.networks import segmenter, shipped

from edgecnn_exporters.diagnose.module_diagnosis import diagnose_export

# The networks are built and quantised once, by one worker.
pytestmark = pytest.mark.xdist_group("networks for faults")

# Pattern in the sentence of each fault's diagnosis, in terms of the layer.
SENTENCES = {
    "HardSwish → HardSigmoid": "computes HardSigmoid, the layer .* is Hardswish",
    "one padding side": "pads is 0,0,1,1, the layer layer2.0.conv1 has 1,1,1,1",
    "average counts its padding": "count_include_pad is 1",
    "epsilon of batch norm": "epsilon is 0.001",
    "batch norm folded with another epsilon": "folded with epsilon 0.001, it has 1e-05",
    "align_corners": "is align_corners",
    "slope of LeakyReLU": "alpha is 0.01",
    "ReLU for ReLU6": "computes Relu, the layer .* is ReLU6",
    "transposed weight": "channels transposed",
    "bias off by one channel": "one channel off",
}


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v3_small", "densenet40"])
def test_a_sound_export_has_no_culprit(name: str) -> None:
    built = shipped(name)
    assert diagnose_export(built.module, built.model, built.feeds["input"]) is None


def test_a_sound_export_of_functions_between_layers_has_no_culprit() -> None:
    built = segmenter()
    assert diagnose_export(built.module, built.model, built.feeds["input"]) is None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.title)
        for fault in GRAPH_FAULTS
        if fault.title in SENTENCES and fault.precision == "fp32"
    ],
)
def test_a_wrongly_exported_layer_is_named(fault: GraphFault) -> None:
    built = fault.network()
    bad = built.model.clone()
    fault.plant(bad)
    diagnosis = diagnose_export(built.module, bad, built.feeds["input"])
    assert diagnosis is not None
    assert re.fullmatch(fault.node, diagnosis.node)
    assert diagnosis.cause == "export semantics"
    assert diagnosis.is_confirmed
    assert re.search(SENTENCES[fault.title], diagnosis.sentence)
