"""The score of the diagnosis: faults planted in good artefacts, and what it makes of each.

`pytest tests/parity/test_fault_injection.py -s` prints the table.
"""

from __future__ import annotations

import pytest
from parity.faults.table import CLEAN, FAULTS, clean

from edgecnn.model.weights import shipped
from edgecnn.zoo import ARCHITECTURES

CHECKPOINTS = [(name, data) for name in ARCHITECTURES for data in shipped(name)]
# These have every operator of the others.
QUICK = ("lenet5_relu", "resnet20", "mobilenet_v3_small")
# Of every sixteen, so many are to be found and named.
WANTED = 15 / 16


@pytest.mark.slow
def test_planted_faults_are_located_and_named() -> None:
    found = [(fault, fault.find()) for fault in FAULTS]
    rows = [
        f"{fault.title:52} {'yes' if fault.is_located(said) else 'NO':7} "
        f"{'yes' if fault.is_named(said) else 'NO':7} "
        f"{'nothing' if said is None else f'{said.node}: {said.cause}, {said.sentence}'}"
        for fault, said in found
    ]
    right = sum(fault.is_located(said) and fault.is_named(said) for fault, said in found)
    print(f"\n{'planted':52} {'located':7} {'named':7} what was said")
    print("\n".join(rows))
    print(f"{right} of {len(FAULTS)} located to the node and named rightly")
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
def test_nothing_is_said_of_a_clean_network(kind: str, name: str, data: str) -> None:
    said = clean(kind, name, data)
    assert said is None, said.words()
