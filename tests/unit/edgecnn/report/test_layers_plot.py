from __future__ import annotations

import math
from pathlib import Path

import pytest

from edgecnn.report.exported import layer_blocks
from edgecnn.text_table import TextTable
from edgecnn_exporters.quantise.steps.sensitivity import Sensitivity

pytest.importorskip("matplotlib")


def rows(count: int, first: float = 40.0) -> list[Sensitivity]:
    return [
        Sensitivity(f"layer.{n}", "Conv", first if n == 0 else 50.0 + n % 7, 30.0)
        for n in range(count)
    ]


@pytest.mark.parametrize(("count", "first"), [(1, 40.0), (20, math.inf), (200, -math.inf)])
def test_any_number_of_layers_is_drawn(tmp_path: Path, count: int, first: float) -> None:
    from edgecnn.report.plots.layers import draw_layers

    draw_layers(rows(count, first), rows(count), tmp_path / "layers.png", "net")
    draw_layers(rows(count), rows(count, first), tmp_path / "again.png", "net")
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_begins_with_the_worst_and_calls_no_error_equal() -> None:
    before, after = rows(20, math.inf), rows(20)
    _, table, *_ = layer_blocks(before, after, Path("layers.png"))
    assert isinstance(table, TextTable)
    columns = [table.texts(at) for at in range(len(table.columns))]
    assert columns[0][0] == "layer.0"
    assert (columns[2][0], columns[3][0]) == ("equal", "40.0 dB")
    assert len(table.rows) == 10
