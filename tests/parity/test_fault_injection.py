"""The score of the diagnosis: faults planted in good artefacts, and their diagnoses.

`pytest tests/parity/test_fault_injection.py -s` prints the table.
"""

from __future__ import annotations

import pytest
from parity.faults.table import CLEAN, FAULTS, clean

from edgecnn.model.weights import shipped
from edgecnn.zoo import ARCHITECTURES
from edgecnn_exporters.diagnose.diagnosis import Diagnosis

CHECKPOINTS = [(name, data) for name in ARCHITECTURES for data in shipped(name)]
# These have every operator of the others.
QUICK = ("lenet5_relu", "resnet20", "mobilenet_v3_small")
# Share of the faults that must be located and named.
WANTED = 15 / 16


def in_words(diagnosis: Diagnosis | None) -> str:
    if diagnosis is None:
        return "none"
    return f"{diagnosis.node}: {diagnosis.cause}, {diagnosis.sentence}"


@pytest.mark.slow
def test_planted_faults_are_located_and_named() -> None:
    diagnoses = [(fault, fault.find()) for fault in FAULTS]
    rows = [
        f"{fault.title:52} {'yes' if fault.is_located(diagnosis) else 'NO':7} "
        f"{'yes' if fault.is_named(diagnosis) else 'NO':7} "
        f"{in_words(diagnosis)}"
        for fault, diagnosis in diagnoses
    ]
    right = sum(
        fault.is_located(diagnosis) and fault.is_named(diagnosis) for fault, diagnosis in diagnoses
    )
    print(f"\n{'planted':52} {'located':7} {'named':7} diagnosis")
    print("\n".join(rows))
    print(f"{right} of {len(FAULTS)} located to the node and named correctly")
    assert len(FAULTS) >= 16
    assert right >= WANTED * len(FAULTS), "\n".join(rows)


@pytest.mark.parametrize("kind", CLEAN)
@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param(name, data, marks=[] if name in QUICK else [pytest.mark.matrix])
        for name, data in CHECKPOINTS
    ],
)
def test_a_clean_network_has_no_culprit(kind: str, name: str, data: str) -> None:
    diagnosis = clean(kind, name, data)
    assert diagnosis is None, diagnosis.words()
