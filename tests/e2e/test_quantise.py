"""``edgecnn export --quantize int8`` on trained networks, as a person types it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from e2e.conftest import EDGECNN, Run
from e2e.fork_server import ForkServer

RESNET = ("export", "resnet20", "--weights", "cifar10", "--quantize", "int8", "--samples", "64")


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """ResNet-20 in fp32 and int8, and what exporting it printed beside it."""
    folder = tmp_path_factory.mktemp("resnet")
    ran = fork_server.run(EDGECNN, [*RESNET, "-v", "-o", "resnet.edge"], folder, os.environ)
    assert ran.returncode == 0, ran.stderr
    (folder / "stdout").write_text(ran.stdout)
    return folder / "resnet.edge"


@pytest.mark.slow
@pytest.mark.network
class TestResNet:
    def test_every_step_is_said(self, resnet: Path) -> None:
        said = (resnet.parent / "stdout").read_text()
        assert "of 32 fresh samples, 16 decided between 8 candidates, calibrated with 48" in said
        assert "a typical sample has " in said
        assert "the layers that cost most, each alone in 8 bits: " in said
        for step in ("equalise", "absorb high biases", "search ranges", "round and correct"):
            assert step in said

    def test_it_agrees_with_float_on_images_that_it_was_not_calibrated_with(
        self, edgecnn: Run, resnet: Path
    ) -> None:
        ran = edgecnn("evaluate", resnet, "--data", "cifar10", "--limit", "1000", "--json")
        fp32, int8 = json.loads(ran.stdout)["rows"]
        assert (fp32["precision"], int8["precision"]) == ("fp32", "int8")
        assert int8["paired"]["agreement"]["share"] >= 0.98
        assert int8["top1"]["share"] >= fp32["top1"]["share"] - 0.01

    def test_an_app_gets_the_8_bits(self, edgecnn: Run, resnet: Path) -> None:
        import edgecnn_runtime as edge

        with edge.open(resnet) as model:
            assert model.artefact.precision == "int8"
        ran = edgecnn("verify", resnet, "--json")
        assert ran.returncode == 0
        rows = {row["precision"]: row for row in json.loads(ran.stdout)["rows"]}
        assert rows["int8"]["verdict"] == rows["fp32"]["verdict"] == "equal"

    @pytest.mark.matrix
    def test_a_second_export_gives_the_same_bytes(
        self, fresh_edgecnn: Run, resnet: Path, tmp_path: Path
    ) -> None:
        again = tmp_path / "again.edge"
        assert fresh_edgecnn(*RESNET, "-v", "-o", again).returncode == 0
        assert again.read_bytes() == resnet.read_bytes()

    def test_all_of_it_runs_in_integers(self, resnet: Path, tmp_path: Path) -> None:
        import zipfile
        from collections import Counter

        import onnx
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.log_severity_level = 4
        model = zipfile.ZipFile(resnet).read("model.int8.onnx")
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        found = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
        for operator in ("Conv", "Relu", "Add", "Gemm", "GlobalAveragePool", "MaxPool"):
            assert found[operator] == 0, f"{operator} in float: {found}"
        assert found["QLinearConv"] == 19


def test_a_network_of_ones_own_is_quantised_with_ones_own_inputs(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    inputs = np.random.default_rng(0).uniform(-1, 1, (20, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", inputs)
    ran = edgecnn(
        *("export", "own:responsive", "--input", "1x3x8x8", "-o", "net.edge", "--json"),
        *("--quantise", "int8", "--calibrate", tmp_path / "inputs.npz", "--recipe", "fast"),
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)["provenance"]["quantisation"]
    assert (found["calibrated"], found["held_out"]) == (12, 8)
    assert [rung["name"] for rung in found["rungs"]] == ["search ranges", "mix precision"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--calibrate", "cifar10"), 2, "--calibrate: only with --quantize int8"),
        (("--max-drop", "0", "--per-tensor"), 2, "--per-tensor, --max-drop: only with"),
        (("--quantize", "int8", "--memory-limit", "0"), 2, "--memory-limit"),
        (("--quantize", "dynamic"), 2, "slower than float"),
        (("--quantize", "int4"), 2, "use int8"),
        (("--quantize", "int8", "--calibrate", "nowhere"), 1, "is not a folder, not an .npz"),
        (("--quantize", "int8", "--observer", "best"), 2, "--observer"),
    ],
)
def test_what_cannot_be_quantised_is_refused(
    edgecnn: Run, own: None, options: tuple[str, ...], code: int, said: str
) -> None:
    ran = edgecnn(
        "export", "own:responsive", "--input", "1x3x8x8", "--preprocess", "unit", *options
    )
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_dry_run_says_what_would_be_quantised(edgecnn: Run) -> None:
    ran = edgecnn("export", "resnet20", "--quantize", "int8", "--recipe", "best", "--dry-run")
    assert "int8, recipe best" in ran.stdout
    assert "onnx (int8, fp32)" in ran.stdout


def inputs(folder: Path, count: int = 20) -> Path:
    """Inputs of one's own, in a file."""
    array = np.random.default_rng(0).uniform(-1, 1, (count, 3, 8, 8)).astype(np.float32)
    np.savez(folder / "inputs.npz", array)
    return folder / "inputs.npz"


OWN = ("export", "own:responsive", "--input", "1x3x8x8", "--quantize", "int8", "-o", "net.edge")


def test_what_is_asked_for_and_not_met_writes_nothing_and_exits_with_6(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    # One scale for weights whose channels differ by a factor of a million leaves most of them zero.
    ran = edgecnn(
        *("export", "own:unbalanced", "--input", "1x3x8x8", "--quantize", "int8", "-o", "net.edge"),
        *("--calibrate", inputs(tmp_path), "--min-agreement", "0.67", "--recipe", "fast"),
        "--per-tensor",
    )
    assert ran.returncode == 6, ran.stdout
    assert "most sensitive: " in ran.stderr
    assert not (tmp_path / "net.edge").exists()


def test_every_layer_is_looked_at_and_drawn(edgecnn: Run, own: None, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    ran = edgecnn(*OWN, "--calibrate", inputs(tmp_path), "--report", "layers.png", "--no-measure")
    assert ran.returncode == 0, ran.stderr
    assert "all layers are drawn in layers.png" in ran.stdout
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")


def test_a_drawing_that_cannot_be_made_is_refused_first(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    ran = edgecnn(*OWN, "--calibrate", inputs(tmp_path), "--report", "layers.doc")
    assert ran.returncode == 1
    assert "its name should end in" in ran.stderr
    assert not (tmp_path / "net.edge").exists()


def test_it_says_whether_int8_is_faster_here(edgecnn: Run, own: None, tmp_path: Path) -> None:
    ran = edgecnn(*OWN, "--calibrate", inputs(tmp_path), "--json")
    assert ran.returncode == 0, ran.stderr
    speed = json.loads(ran.stdout)["speed"]
    assert speed["comparison"]["verdict"] in ("faster", "slower", "no difference", "tainted")
    assert speed["placement"]["integer"]["QLinearConv"] == 1


def test_more_memory_than_allowed_is_said_before_it_is_taken(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    array = np.random.default_rng(0).uniform(-1, 1, (2, 3, 256, 256)).astype(np.float32)
    np.savez(tmp_path / "large.npz", array)
    other = {"1x3x8x8": "1x3x256x256", "own:responsive": "own:build"}
    large = [other.get(word, word) for word in OWN]
    ran = edgecnn(*large, "--calibrate", "large.npz", "--memory-limit", "1")
    assert ran.returncode == 1
    assert "1 MB are allowed: raise --memory-limit" in ran.stderr
    assert not (tmp_path / "net.edge").exists()


@pytest.mark.slow
@pytest.mark.network
def test_operators_stay_float_to_keep_the_accuracy_and_their_cost_is_said(
    edgecnn: Run, tmp_path: Path
) -> None:
    # One scale for a first layer's weight, whose channels differ most.
    ran = edgecnn(
        *("export", "mobilenet_v2", "--weights", "cifar10", "--quantize", "int8", "--per-tensor"),
        *("--recipe", "fast", "--observer", "min-max", "--samples", "32", "--max-drop", "0.2"),
        *("-o", "mixed.edge", "--json"),
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    accuracy, quantised = (found["provenance"][what] for what in ("accuracy", "quantisation"))
    assert accuracy["fp32"] - accuracy["int8"] <= 0.002
    assert set(quantised["float"].values()) == {"kept in float for accuracy"}
    assert found["speed"]["mixing"]["ratio"] > 0


@pytest.mark.slow
@pytest.mark.network
def test_both_accuracies_travel_with_the_bundle_and_a_drop_is_refused(
    edgecnn: Run, tmp_path: Path
) -> None:
    lenet = ("export", "lenet5_relu", "--weights", "mnist", "--quantize", "int8", "--no-measure")
    ran = edgecnn(*lenet, "--max-drop", "1", "-o", "lenet.edge", "--samples", "32", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)["provenance"]["accuracy"]
    assert (found["data"], found["images"]) == ("mnist", 1000)
    assert found["fp32"] > 0.98
    assert abs(found["fp32"] - found["int8"]) <= 0.01
    assert found["agreement"] >= 0.98
    spoilt = ("--calibrate", noise(tmp_path), "--observer", "min-max", "--recipe", "fast")
    ran = edgecnn(*lenet, *spoilt, "--max-drop", "1", "-o", "spoilt.edge")
    assert ran.returncode == 6, ran.stdout
    assert "points less, 1 were allowed; most sensitive: " in ran.stderr
    assert not (tmp_path / "spoilt.edge").exists()


def noise(folder: Path) -> Path:
    """Inputs for LeNet-5 a thousand times too large: of real ones nothing is left in 8 bits."""
    random = np.random.default_rng(0)
    array = (1000 * random.standard_normal((8, 1, 28, 28))).astype(np.float32)
    np.savez(folder / "noise.npz", array)
    return folder / "noise.npz"


def test_a_limit_that_nothing_can_be_measured_on_is_refused(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    ran = edgecnn(*OWN, "--calibrate", inputs(tmp_path), "--max-drop", "1")
    assert ran.returncode == 1
    assert "--max-drop needs labelled images" in ran.stderr
