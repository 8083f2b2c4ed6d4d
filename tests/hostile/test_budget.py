"""Processes that open a stranger's bundle are held to a budget of memory and time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from conftest import contents, onnx_model
from hostile.wire import integers, model_of
from onnx import helper

import edgecnn_runtime as edge
from edgecnn.bench.wanted import Wanted
from edgecnn.commands.budget_options import Size
from edgecnn.evaluate.examples import Examples
from edgecnn.evaluate.run import Variant, run
from edgecnn.verify.held_out import compare_with_float
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.host.process import agent_lines, measure_cold_start
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan, Subject
from edgecnn_runtime.measure.worker_process import Worker, WorkerDied
from edgecnn_runtime.parity.isolated import verify_isolated
from edgecnn_runtime.parity.row import Parity

AGENT = (sys.executable, "-m", "edgecnn_runtime")
IMAGE = Path(__file__).parents[2] / "exporters/edgecnn_exporters/photographs/cat.jpg"
# The mean of what a node makes, added to the answer, so that no engine leaves the node out.
TAIL = (
    helper.make_node("ReduceMean", ["made"], ["mean"], keepdims=0),
    helper.make_node("ReduceMean", ["input"], ["means"], axes=[2, 3], keepdims=0),
    helper.make_node("Add", ["means", "mean"], ["logits"]),
)


def memory_eater() -> onnx.ModelProto:
    """It makes 48 × 20 million numbers, a size that only its input says: 3.8 GB."""
    nodes = [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("ReduceProd", ["shape"], ["size"], keepdims=1),
        helper.make_node("Mul", ["size", "factor"], ["sizes"]),
        helper.make_node("ConstantOfShape", ["sizes"], ["made"]),
    ]
    return model_of([*nodes, *TAIL], [integers("factor", 20_000_000)])


def time_eater() -> onnx.ModelProto:
    """Products of matrices that take minutes, of small shapes and without a loop."""
    zero = helper.make_node("ReduceMean", ["input"], ["m0"], keepdims=0)
    first = helper.make_node("Add", ["ones", "m0"], ["p0"])
    ones = helper.make_node("ConstantOfShape", ["shape"], ["ones"])
    products = [
        helper.make_node("MatMul", [f"p{number}", "p0"], [f"p{number + 1}"])
        for number in range(1000)
    ]
    last = helper.make_node("Identity", ["p1000"], ["made"])
    constants = [integers("shape", 2000, 2000)]
    return model_of([zero, ones, first, *products, last, *TAIL], constants)


@pytest.fixture
def hungry(tmp_path: Path) -> Path:
    path = tmp_path / "hungry.edge"
    write_bundle(path, *contents("onnx", memory_eater().SerializeToString()))
    return path


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    path = tmp_path / "endless.edge"
    write_bundle(path, *contents("onnx", time_eater().SerializeToString()))
    return path


def verified(path: Path, budget: Budget) -> Parity:
    with Bundle(path, budget) as bundle:
        (artefact,) = bundle.manifest.artefacts
        return verify_isolated(str(path), artefact, "onnxruntime", budget)


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")


@needs_linux
def test_memory_that_only_a_run_asks_for_is_not_given(hungry: Path) -> None:
    row = verified(hungry, Budget())
    assert (row.verdict, row.difference) == ("differs", None)
    assert "does not run: onnxruntime failed" in row.note
    with pytest.raises(edge.EdgeCNNError, match="onnxruntime failed"):
        agent_lines(["run", str(hungry), str(IMAGE)])


def test_a_run_that_takes_too_long_ends(endless: Path) -> None:
    budget = Budget(step_seconds=0.3)
    began = time.perf_counter()
    row = verified(endless, budget)
    assert row.verdict == "crashed"
    assert row.note == "the engine died of SIGALRM (took longer than --max-seconds allows)"
    with pytest.raises(EngineError, match="took longer than --max-seconds allows"):
        agent_lines(["run", *budget.options(), str(endless), str(IMAGE)])
    worker = Worker(Subject(str(endless)), None, budget)
    with pytest.raises(WorkerDied, match="SIGALRM"):
        worker.verify()
    worker.close()
    with pytest.raises(edge.EdgeCNNError, match="failed with -14"):
        measure_cold_start([*AGENT, "cold", str(endless), *budget.options()])
    assert time.perf_counter() - began < 15


def test_the_command_line_says_it_in_a_line(endless: Path) -> None:
    command = [sys.executable, "-m", "edgecnn", "run", str(endless), str(IMAGE)]
    ran = subprocess.run(
        [*command, "--max-seconds", "0.7"], capture_output=True, text=True, check=False
    )
    says = "edgecnn: the engine died of SIGALRM (took longer than --max-seconds allows)\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", says)


def test_evaluation_ends_with_a_run_that_takes_too_long(endless: Path) -> None:
    examples = Examples("one", np.zeros((1, 6, 5, 3), np.uint8), np.array([0]))
    variants = [Variant(str(endless), "onnxruntime", "fp32")]
    with pytest.raises(EngineError, match="--max-memory and --max-seconds allow"):
        run(variants, examples, budget=Budget(step_seconds=0.3))


@needs_linux
def test_held_out_images_are_not_shown_to_a_reference_that_nobody_has_tried(hungry: Path) -> None:
    images = [np.zeros((6, 5, 3), np.uint8)]
    with (
        Bundle(hungry) as bundle,
        pytest.raises(EngineError, match=r"model\.onnx does not run on onnxruntime"),
    ):
        compare_with_float(bundle, [], images, "one")


def test_a_budget_reaches_a_board_with_the_job_and_more_time_with_it() -> None:
    wanted = Wanted(Path("x.edge"), MeasurementPlan(), budget=Budget(1 << 20, 2.5))
    assert wanted.board_budget == Budget(1 << 20, 25.0)
    job = MeasurementJob((Subject("x.edge"),), wanted.plan, budget=wanted.board_budget)
    assert MeasurementJob.from_json(json.loads(json.dumps(job.to_json()))) == job
    assert job.budget.options() == ["--max-memory", "1048576", "--max-seconds", "25.0"]


@pytest.mark.parametrize(
    ("typed", "size_bytes"), [("512M", 512 << 20), ("1.5G", 3 << 29), ("64k", 64 << 10)]
)
def test_sizes_are_typed_with_their_unit(typed: str, size_bytes: int) -> None:
    assert Size().convert(typed, None, None) == size_bytes


@pytest.mark.parametrize("typed", ["512", "2 GB!", "", "-1G"])
def test_what_is_no_size_is_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="write it as 512M or 2G"):
        Size().convert(typed, None, None)


HELD = """
import sys, time
import numpy as np
from edgecnn_runtime.budget import Budget, hold_process
budget = hold_process(Budget(64 << 20, 0.2), sys.argv[1])
with budget.step():
    pass
time.sleep(0.3)  # between steps nothing is limited
print("before", flush=True)
"""


def held(code: str, bundle: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", HELD + code, str(bundle)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@needs_linux
def test_a_held_process_has_no_more_memory_than_its_budget(bundle: Path, tmp_path: Path) -> None:
    threads = (32 << 20) * (os.cpu_count() or 1)
    code = f"np.ones({threads} + {{}}, np.uint8)"
    assert held(code.format(32 << 20), bundle).returncode == 0
    assert "MemoryError" in held(code.format(80 << 20), bundle).stderr
    # A larger file may cost more: engines hold its weights several times.
    larger = tmp_path / "larger.edge"
    larger.write_bytes(bytes(20 << 20))
    assert held(code.format(80 << 20), larger).returncode == 0


def test_a_held_process_ends_in_a_step_that_takes_too_long(bundle: Path) -> None:
    ran = held("with budget.step():\n    time.sleep(9)", bundle)
    assert (ran.returncode, ran.stdout) == (-14, "before\n")


def test_a_process_that_nobody_holds_is_not_ended() -> None:
    with Budget(step_seconds=0.01).step():
        time.sleep(0.05)


@needs_linux
def test_a_file_that_inflates_beyond_the_budget_is_refused_in_a_line(tmp_path: Path) -> None:
    manifest, files = contents("onnx", onnx_model())
    labels = files["labels.txt"] + os.urandom(700_000).hex().encode() + b" " * (120 << 20)
    plain, path = tmp_path / "plain.edge", tmp_path / "x.edge"
    write_bundle(plain, manifest, files | {"labels.txt": labels})
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), compresslevel=1)
    ran = subprocess.run(
        [*AGENT, "run", str(path), str(IMAGE), "--max-memory", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    says = "edgecnn_runtime: it takes more memory than --max-memory allows\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", says)


def test_a_sound_bundle_is_run_within_the_budget(onnx_bundle: Path) -> None:
    lines = agent_lines(["run", str(onnx_bundle), str(IMAGE), "none.jpg", "--top", "1"])
    assert len(lines) == 3
    assert '"engine": "onnxruntime", "precision": "fp32"' in lines[0]
    assert '"label": "red"' in lines[1]
    assert "cannot be opened" in lines[2]
