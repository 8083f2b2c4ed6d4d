"""Every kind of fault in every format and precision: located to the node, and named.

`pytest tests/parity/test_fault_matrix.py -s` prints the table.
"""

from __future__ import annotations

from itertools import combinations

import pytest
from parity.faults.kinds import ALL, BOTH, KINDS, both
from parity.faults.matrix import CELLS, GOOD, Cell, diagnosis_of, is_located, is_named, table


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_fault_is_located_and_named(cell: Cell) -> None:
    diagnosis = diagnosis_of(cell)
    assert diagnosis is not None
    assert is_located(cell), diagnosis.words()
    assert is_named(cell), diagnosis.words()


@pytest.mark.parametrize("cell", GOOD, ids=str)
def test_a_good_artefact_has_no_culprit(cell: Cell) -> None:
    diagnosis = diagnosis_of(cell)
    assert diagnosis is None, diagnosis.words()


PAIRS = [
    Cell(both(one, two), each, precision)
    for each in ALL
    for precision in BOTH
    for one, two in combinations(KINDS, 2)
    if {each} <= {*one.formats} & {*two.formats}
    and {precision} <= {*one.precisions} & {*two.precisions}
]


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, marks=[] if number % 16 == 0 else [pytest.mark.matrix])
        for number, cell in enumerate(PAIRS)
    ],
    ids=str,
)
def test_of_two_faults_no_sound_layer_is_blamed(cell: Cell) -> None:
    diagnosis = diagnosis_of(cell)
    assert diagnosis is not None
    assert is_located(cell), diagnosis.words()


def test_the_table_has_a_verdict_for_every_cell() -> None:
    print(f"\n{table()}")
    words = table().split()
    assert words.count("yes") + words.count("located") + words.count("NO") == len(CELLS)
