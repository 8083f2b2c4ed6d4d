"""A step of learning on an emulated board: the parameters after it, and its instructions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from emulated.conftest import EDGECNN
from emulated.test_board import opened
from shared import once

from edgecnn.bench.emulated import Proved, prove_on
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.emulated.qemu import Qemu
from edgecnn.report.blocks import text_of
from edgecnn.report.emulated_table import proved_blocks
from edgecnn_runtime.measure.job import MeasurementPlan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.usefixtures("qemu", "arm64_root"),
]


@pytest.fixture(scope="session")
def proved_step(tmp_path_factory: pytest.TempPathFactory, counting_qemu: Qemu) -> Proved:
    """LeNet-5, all of which learns, on a Raspberry Pi 5.

    By SGD at a learning rate of 1, so that the parameters move by their gradients: Adam's first
    step hides a gradient's rounding.
    """

    def make(folder: Path) -> Proved:
        command = (EDGECNN, "export", "lenet5", "--weights", "mnist", "--learn", "all")
        ran = subprocess.run(
            [*command, "--optimiser", "sgd", "--lr", "1", "-o", "lenet5.edge"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        wanted = Wanted(folder / "lenet5.edge", MeasurementPlan(), learns=True, batch=4)
        with opened("rpi5") as board:
            return prove_on(board, wanted)

    return once(tmp_path_factory, "emulated-learning", make)


def test_the_parameters_after_a_step_are_those_of_this_machine(proved_step: Proved) -> None:
    inference, step = proved_step.rows
    assert (inference.parity.subject, step.parity.subject) == ("model.onnx", "model.train.onnx")
    assert (inference.parity.verdict, step.parity.verdict) == ("equal", "equal")
    assert step.likeness.difference is not None
    assert step.likeness.difference.relative < 1e-5
    assert len(step.likeness.difference.groups) == 10  # weight and bias of five layers


def test_a_step_is_counted_and_takes_more_than_an_inference(proved_step: Proved) -> None:
    inference, step = (row.instructions for row in proved_step.rows)
    assert inference is not None
    assert step is not None
    assert 1.5 < step.counts["total"] / inference.counts["total"] < 10
    shown = text_of(proved_blocks([proved_step]), None)
    assert "model.train.onnx, 4 images" in shown
    assert "instructions of one inference or step" in shown
