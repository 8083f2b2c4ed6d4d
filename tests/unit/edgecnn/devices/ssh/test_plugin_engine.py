"""A plug-in engine on a board: run by the board's own interpreter, or refused in words."""

from __future__ import annotations

import sys
import sysconfig
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board.sshd import Server
from conftest import contents, onnx_model
from plugin_engine import DISTRIBUTION, NAME, install, put_on_path
from unit.edgecnn.devices.ssh.conftest import Reach
from unit.edgecnn.devices.wheels.own_index import Index

from edgecnn.bench.ready import make_ready
from edgecnn.bench.wanted import Wanted
from edgecnn.devices.board import OWN_PACKAGES
from edgecnn.errors import BenchRefused
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.measure.job import MeasurementPlan


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in, installed on the workstation; a board sees nothing of that."""
    put_on_path(install(tmp_path / "workstation"), monkeypatch)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that has the plug-in, numpy and the engines of this one installed."""
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    install(packages)
    (packages / "others.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    return folder / "bin" / "python"


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A bundle for ONNX Runtime and for the plug-in."""
    manifest, files = contents()
    files["model.onnx"] = onnx_model()
    artefacts = (Artefact("model.onnx", "onnx", "fp32"), *manifest.artefacts)
    write_bundle(tmp_path / "both.edge", replace(manifest, artefacts=artefacts), files)
    return tmp_path / "both.edge"


def test_an_interpreter_of_the_board_that_has_it_runs_it(
    server: Server, reach: Reach, bundle: Path, python: Path
) -> None:
    server.start()
    board = reach(python=str(python))
    ready = make_ready(board, Wanted(bundle, MeasurementPlan(), engines=(NAME,)))
    (subject,) = ready.subjects
    assert (subject.engine, subject.environment) == (NAME, OWN_PACKAGES)
    assert list(ready.environments) == [OWN_PACKAGES]
    with board.agent(OWN_PACKAGES, ["verify", subject.bundle, "--engine", NAME]) as events:
        assert [(e["engine"], e["verdict"]) for e in events] == [(f"{NAME} 0.3", "equal")]


def test_of_its_own_packages_nothing_but_the_plug_in_is_measured(
    server: Server, index: Index, reach: Reach, both: Path, python: Path
) -> None:
    server.start()
    wanted = Wanted(both, MeasurementPlan(), engines=("onnxruntime", NAME))
    ready = make_ready(reach(python=str(python)), wanted)
    assert [(one.engine, one.environment) for one in ready.subjects] == [
        (NAME, OWN_PACKAGES),
        ("onnxruntime", "main"),
    ]


def test_a_board_without_it_is_told_which_package_and_runs_the_others(
    server: Server, index: Index, reach: Reach, both: Path
) -> None:
    server.start()
    python = Path(sys.executable).resolve()
    wanted = Wanted(both, MeasurementPlan(), engines=("onnxruntime", NAME))
    ready = make_ready(reach(), wanted)
    assert [one.engine for one in ready.subjects] == ["onnxruntime"]
    (absent,) = ready.absent
    assert (absent.subject.engine, absent.subject.artefact) == (NAME, "model.fake")
    assert absent.reason.endswith(f"{python} -m pip install {DISTRIBUTION}")
    with pytest.raises(BenchRefused, match=f"-m pip install {DISTRIBUTION}, on rpi"):
        make_ready(reach(), replace(wanted, engines=(NAME,)))
