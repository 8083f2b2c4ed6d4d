"""Accuracy on labelled images that a Python program holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import DataUnreadable
from edgecnn.results.evaluate import EvaluateOptions, evaluate_bundle

COLOURS = np.eye(3, dtype=np.uint8) * 200
# Every third is labelled wrongly.
LABELS = [0, 1, 0, 0, 1, 0]


def image(number: int) -> np.ndarray:
    return np.tile(COLOURS[number % 3], (5 + number, 4, 1))


def planes(number: int) -> np.ndarray:
    """The same image as the network reads it."""
    return np.tile(COLOURS[number % 3][:, None, None], (4, 4)).astype(np.float32) / 255


def top1(bundle: Path, data: Any, **options: Any) -> float:
    result = evaluate_bundle(str(bundle), data, EvaluateOptions(**options))
    assert result.data == f"{type(data).__name__} in Python"
    return result.accuracies[0].top1.share


DATA = {
    "images of several sizes": lambda: [(image(n), LABELS[n]) for n in range(6)],
    "PIL images by keys": lambda: [
        {"img": Image.fromarray(image(n)), "label": LABELS[n]} for n in range(6)
    ],
    "inputs in batches": lambda: [
        (np.stack([planes(n) for n in part]), np.array(LABELS)[part])
        for part in ([0, 1, 2, 3], [4, 5])
    ],
    "names": lambda: [(image(n), ["red", "green"][LABELS[n]]) for n in range(6)],
    "a generator": lambda: ((image(n), LABELS[n]) for n in range(6)),
}


@pytest.mark.parametrize("kind", DATA)
def test_accuracy_on_labelled_images_of_a_program(kind: str, onnx_bundle: Path) -> None:
    assert top1(onnx_bundle, DATA[kind]()) == pytest.approx(4 / 6)


def test_files_and_arrays_together_in_processes_of_their_own(
    onnx_bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(image(2)).save(tmp_path / "blue.png")
    data = [(tmp_path / "blue.png", 2), (planes(1), 0), (image(0), 0)] * 40
    assert top1(onnx_bundle, data, processes=2) == pytest.approx(2 / 3)


def test_a_limit_draws_from_a_sequence_and_ends_a_generator(onnx_bundle: Path) -> None:
    data = [(image(0), 0)] * 50 + [(image(0), 1)] * 50
    assert 0.2 < top1(onnx_bundle, data, limit=40) < 0.8

    def endless() -> Iterator[tuple[np.ndarray, int]]:
        while True:
            yield image(0), 0

    assert top1(onnx_bundle, endless(), limit=5) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "data: the list yields nothing"),
        ([(image(0), 0), image(1)], r"data: item 1 has no label, expected pairs \(image, label\)"),
        ([(image(0), 0.3)], "data: item 0 has no label, .* a whole number or a name"),
        ([(image(0), 0), (image(0), 3)], "data: item 1 has the label 3, expected 0 to 2"),
        ([(image(0), "red"), (image(0), "brown")], "brown: not among the bundle's labels"),
        ([(planes(0)[:, 1:], 0)], "item 0 of the list is float32 3x3x4, expected an input"),
    ],
)
def test_data_that_does_not_fit_is_refused(data: Any, message: str, onnx_bundle: Path) -> None:
    with pytest.raises(DataUnreadable, match=message):
        evaluate_bundle(str(onnx_bundle), data, EvaluateOptions())


def test_a_script_without_a_main_guard_is_not_run_again(onnx_bundle: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import numpy as np
from edgecnn.results.evaluate import EvaluateOptions, evaluate_bundle
print("begun")
data = [(np.full((4, 4, 3), (200, 0, 0), np.uint8), 0)] * 4
print(evaluate_bundle({str(onnx_bundle)!r}, data, EvaluateOptions(processes=2)).images)
""")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == ("begun\n4\n", 0), ran.stderr
