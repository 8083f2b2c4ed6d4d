"""Lines of a learning: one an epoch, and what was kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.edgecnn.report.every_table import LEARNT

from edgecnn.learn.state import LearntEpoch
from edgecnn.report.blocks import text_of
from edgecnn.report.learning import learnt_blocks, watch_learning


def test_the_line_of_an_epoch_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with watch_learning(200, 10, quiet=False) as observer:
        observer.epoch(LearntEpoch(200, 0.25, 0.5, 10, 1234.5))
        observer.epoch(LearntEpoch(200, 13_103_399.2, 99_999.9, 10, 1234.5))
    sound, wild = capsys.readouterr().err.splitlines()
    assert sound == "epoch 200/200  loss 0.250  held out: loss 0.500, accuracy 100.0%  1234.5 s"
    assert "loss 1.31e+07  held out: loss 1.00e+05," in wild
    assert max(map(len, (sound, wild))) <= 80


def text(**changes: object) -> str:
    return " ".join(text_of(learnt_blocks(replace(LEARNT, **changes)), 80).split())  # type: ignore[arg-type]


def test_where_no_epoch_was_better_it_is_said_once_with_what_may_help() -> None:
    ended = text(best_epoch=0)
    assert "kept none of 30 epochs was better: the weights are those before left out" in ended
    assert "next nothing was learnt: give more images" in ended
    assert "edgecnn run" not in ended


def test_a_last_epoch_that_is_the_best_asks_for_more() -> None:
    assert "epoch 30 of 30, the last: more --epochs" in text(best_epoch=30, stop="epochs")
    assert "more --epochs" not in text(best_epoch=29, stop="epochs")
    assert "epoch 25 of 30, ended early: no better epoch came" in text()


def test_one_image_a_step_is_no_plural() -> None:
    assert "23,000 steps of 1 image, rate 0.001" in text(batch=1)
