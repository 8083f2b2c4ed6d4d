from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.train.history import Epoch, write_csv
from edgecnn_runtime.errors import OutputNotWritable

FIRST = Epoch(1, 2.30258509, 0.1, 2.0, 0.25, 0.1, 1234.56789, 60.0)
SECOND = Epoch(2, 1.0, 1 / 3, 1e-7, 0.9999, 2.5e-5, 1e6, 59.5)

TEXT = """\
epoch,loss,accuracy,test_loss,test_accuracy,learning_rate,images_per_s,seconds
1,2.30259,0.1,2,0.25,0.1,1234.57,60
2,1,0.333333,1e-07,0.9999,2.5e-05,1e+06,59.5
"""


def test_every_epoch_is_a_line_of_six_digits(tmp_path: Path) -> None:
    write_csv([FIRST, SECOND], tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_bytes().decode() == TEXT


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_csv([SECOND] * 5, path)
    write_csv([FIRST], path)
    assert path.read_text().splitlines() == TEXT.splitlines()[:2]
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.csv"]


def test_without_epochs_there_is_the_head_alone(tmp_path: Path) -> None:
    write_csv([], tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_text() == TEXT.splitlines()[0] + "\n"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputNotWritable, match="absent"):
        write_csv([FIRST], tmp_path / "absent" / "metrics.csv")
