from __future__ import annotations

from edgecnn.report.exported import left_alone_lines
from edgecnn_exporters.passes.rewrite import LeftAlone


def test_equal_reasons_are_one_line_with_a_count() -> None:
    left = [LeftAlone(f"norm{n}", "FoldBatchNorm", "it still trains") for n in range(50)]
    other = LeftAlone("pool", "CanonicaliseGlobalPool", "it pads the map that its window covers")
    assert left_alone_lines([left[0], other, *left[1:]]) == [
        "left alone: norm0 and 49 more: it still trains (FoldBatchNorm)",
        "left alone: pool: it pads the map that its window covers (CanonicaliseGlobalPool)",
    ]


def test_nothing_left_alone_is_nothing_to_say() -> None:
    assert left_alone_lines([]) == []
