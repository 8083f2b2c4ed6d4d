"""``edgecnn zoo`` as a person uses it: a list to pick from, one network, several, a drawing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import PHOTOGRAPHS, TINY, Run

PNG = b"\x89PNG\r\n\x1a\n"
# What `python -c` runs in place of the script, to look at the process or to take from it.
IN_PROCESS = """
import sys
{before}
from edgecnn.cli import main
try:
    main({arguments!r})
except SystemExit as ended:
    {after}
    sys.exit(ended.code)
"""


def in_process(
    folder: Path, *arguments: str, before: str = "", after: str = "pass"
) -> subprocess.CompletedProcess[str]:
    code = IN_PROCESS.format(arguments=list(arguments), before=before, after=after)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def networks(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["schema"] == "edgecnn.zoo/2"
    listed: list[dict[str, Any]] = found["networks"]
    return listed


def test_the_list_fits_on_a_screen(edgecnn: Run) -> None:
    lines = edgecnn("zoo", COLUMNS="80").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    # 24, of which the shell's prompt is one.
    assert len(lines) <= 23


def test_the_list_has_a_row_for_every_family_and_names_to_pick(edgecnn: Run) -> None:
    shown = edgecnn("zoo", COLUMNS="80").stdout
    for row in ("2015 resnet{18,34,50,101,152}", "2018 mobilenet_v2"):
        assert row in shown
    assert "efficientnet_b{0..7}" in shown
    assert "edgecnn zoo NAME" in shown


def test_the_list_does_not_wait_for_torch(tmp_path: Path) -> None:
    for arguments in (("zoo",), ("zoo", "--json"), ("zoo", "--help")):
        ran = in_process(tmp_path, *arguments, after='assert "torch" not in sys.modules')
        assert ran.returncode == 0, ran.stderr


def test_the_list_as_json(edgecnn: Run) -> None:
    listed = {row["name"]: row for row in networks(edgecnn("zoo", "--json"))}
    assert listed["resnet50"] == {
        "name": "resnet50",
        "family": "ResNet",
        "year": 2015,
        "paper": "He et al. 2016, Deep Residual Learning for Image Recognition",
        "options": ["classes", "width", "depth", "stem"],
        "weights": listed["resnet50"]["weights"],
        "input": [1, 3, 224, 224],
        "classes": 1000,
        "depth": 50,
        "parameters": 25_557_032,
        "macs": 4_089_184_256,
        "receptive_field": 427,
    }


def test_one_network_as_json(edgecnn: Run) -> None:
    (network,) = networks(edgecnn("zoo", "lenet5", "--json"))
    growth = network.pop("growth")
    first, second, third, head = network.pop("stages")
    assert network == {
        "name": "lenet5",
        "family": "LeNet",
        "year": 1998,
        "paper": network["paper"],
        "options": ["classes", "width", "stem"],
        "weights": network["weights"],
        "input": [1, 1, 28, 28],
        "classes": 10,
        "depth": 5,
        "layers": 5,
        "width": 16,
        "parameters": 61_706,
        "macs": 416_520,
        # The first convolution's 6 maps of 28×28 numbers of 4 bytes, and their sigmoid.
        "peak_activation_bytes": 2 * 6 * 28 * 28 * 4,
        "receptive_field": 16,
        "stride": 4,
        "is_gated": False,
    }
    assert growth == [1, 6, 16]
    assert second == {
        "name": "2",
        "module": "features.4",
        "output": [16, 10, 10],
        "layers": 1,
        "width": 16,
        "parameters": 16 * 6 * 25 + 16,
        "macs": 16 * 100 * 150,
        "peak_activation_bytes": (28 * 28 + 14 * 14) * 6 * 4,
        "receptive_field": [14, 14],
        "stride": [2, 2],
        "start": [-2, -2],
        "centre": [4.5, 4.5],
    }
    assert [stage["name"] for stage in (first, third, head)] == ["1", "3", "head"]
    assert head["receptive_field"] is head["stride"] is head["start"] is head["centre"] is None


def test_one_network_in_figures_and_stages(edgecnn: Run) -> None:
    ran = edgecnn("zoo", "resnet50", COLUMNS="80")
    assert "50 weighted layers on the longest path, 54 in all" in ran.stdout
    assert "25,557,032" in ran.stdout
    assert "4 1024×14×14 19 1024 7.49 M 1.46 G 3.21 MB 267 16 0" in " ".join(ran.stdout.split())
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_options_change_the_network(edgecnn: Run) -> None:
    options = ("--width", "0.5", "--stem", "small", "--classes", "7")
    (network,) = networks(edgecnn("zoo", "resnet18", *options, "--depth", "0.5", "--json"))
    assert (network["input"], network["classes"]) == ([1, 3, 32, 32], 7)
    # One block of two layers in each of four stages.
    assert (network["depth"], network["width"]) == (10, 256)
    assert network["stages"][-1]["output"] == [7]


def test_an_option_that_the_network_does_not_take_is_refused(edgecnn: Run) -> None:
    ran = edgecnn("zoo", "lenet5", "--depth", "2")
    assert ran.returncode == 1
    assert "lenet5 has no depth to set; leave out --depth" in ran.stderr
    ran = edgecnn("zoo", "--width", "0.5")
    assert ran.returncode == 2
    assert "need the NAME of a network" in ran.stderr


def test_an_input_too_small_is_answered_with_the_least(edgecnn: Run) -> None:
    ran = edgecnn("zoo", "alexnet", "--input", "1x3x32x32")
    assert ran.returncode == 1
    assert "does not run on an input of 1x3x32x32" in ran.stderr
    assert "least square input that works is 1x3x63x63" in ran.stderr


def test_several_networks_are_compared(edgecnn: Run) -> None:
    ran = edgecnn("zoo", "mobilenet_v2", "mobilenet_v1", "--input", "1x3x96x96", COLUMNS="80")
    assert ran.returncode == 0, ran.stderr
    rows = [line.split() for line in ran.stdout.splitlines() if line.startswith("mobilenet")]
    assert [row[0] for row in rows] == ["mobilenet_v2", "mobilenet_v1"]
    assert "×1.21" in rows[1]
    assert max(map(len, ran.stdout.splitlines())) <= 80
    compared = networks(edgecnn("zoo", "mobilenet_v2", "mobilenet_v1", "--json"))
    assert [network["depth"] for network in compared] == [53, 28]


def test_a_network_of_ones_own(edgecnn: Run, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(TINY)
    (network,) = networks(edgecnn("zoo", "nets:build", "--input", "1x3x32x32", "--json"))
    assert network["family"] is network["paper"] is network["classes"] is None
    # Four 3×3 filters over three channels, BatchNorm's 4 + 4, and 4 × 2 + 2.
    assert network["parameters"] == 108 + 4 + 8 + 10
    assert network["stages"][0]["output"] == [4, 16, 16]
    assert "3 px, one every 2 px" in edgecnn("zoo", "nets:build", "--input", "1x3x32x32").stdout
    ran = edgecnn("zoo", "nets:build", "--input", "1x3x32x32", "--width", "2")
    assert (ran.returncode, "takes no --width" in ran.stderr) == (1, True)
    ran = edgecnn("zoo", "net.onnx")
    assert (ran.returncode, "not .onnx files" in ran.stderr) == (1, True)


@pytest.mark.parametrize("names", [("lenet5",), ("lenet5", "mobilenet_v2", "resnet20")])
def test_a_plot_is_drawn(edgecnn: Run, tmp_path: Path, names: tuple[str, ...]) -> None:
    pytest.importorskip("matplotlib")
    ran = edgecnn("zoo", *names, "--plot", "costs.png")
    assert ran.returncode == 0, ran.stderr
    assert "drawn to costs.png" in ran.stdout
    drawn = (tmp_path / "costs.png").read_bytes()
    assert drawn.startswith(PNG)
    width, height = (int.from_bytes(drawn[at : at + 4]) for at in (16, 20))
    assert (width, height) == (1440, 1065 if len(names) == 1 else 1140)


def test_a_plot_without_matplotlib_says_what_to_install(tmp_path: Path) -> None:
    ran = in_process(
        tmp_path, "zoo", "lenet5", "--plot", "x.png", before='sys.modules["matplotlib"] = None'
    )
    assert ran.returncode == 1
    assert "pip install 'edgecnn[plot]'" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_plot_that_cannot_be_written_is_refused_first(edgecnn: Run) -> None:
    ran = edgecnn("zoo", "lenet5", "--plot", "x.jpeg")
    assert ran.returncode == 1
    assert "should end in one of .pdf, .png, .svg" in ran.stderr
    ran = edgecnn("zoo", "lenet5", "--plot", "nowhere/x.png")
    assert "there is no folder nowhere" in ran.stderr


def test_the_gradient_of_a_layer_is_drawn(edgecnn: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ("zoo", "resnet20", "--gradient", "layer2.0.conv1", "--plot", "gradient.png")
    ran = edgecnn(*words, "--json")
    assert ran.returncode == 0, ran.stderr
    drawn = (tmp_path / "gradient.png").read_bytes()
    assert drawn.startswith(PNG)
    assert int.from_bytes(drawn[16:20]) == 1200
    document = json.loads(ran.stdout)
    assert document["weights"] == "cifar10"
    assert document["layer"]["stride"] == [2, 2]
    assert document["loss"]["label"] == "cat"
    shapes = {tensor["tensor"]: tensor["shape"] for tensor in document["tensors"]}
    assert shapes == {
        "X": [16, 32, 32],
        "F": [32, 16, 3, 3],
        "dL/dY": [32, 16, 16],
        "dL/dX": [16, 32, 32],
        "dL/dF": [32, 16, 3, 3],
    }


def test_a_network_without_shipped_weights_has_the_gradient_of_random_ones(edgecnn: Run) -> None:
    pytest.importorskip("matplotlib")
    words = ("zoo", "resnet8", "--width", "0.5", "--gradient", "avgpool", "--plot", "pool.svg")
    ran = edgecnn(*words, "--image", PHOTOGRAPHS / "rocket.jpg", COLUMNS="80")
    assert ran.returncode == 0, ran.stderr
    for each in ("resnet8 (width 0.5), untrained: random weights", "rocket.jpg", "32×8×8"):
        assert each in ran.stdout
    assert ran.stdout.endswith("drawn to pool.svg\n")


def test_the_layers_that_have_a_gradient_are_listed(edgecnn: Run) -> None:
    layers = json.loads(edgecnn("zoo", "lenet5", "--gradient", "list", "--json").stdout)["layers"]
    assert [layer["layer"] for layer in layers] == [
        "features.0",
        "features.2",
        "features.3",
        "features.5",
    ]
    assert layers[0]["padding"] == [2, 2, 2, 2]
    assert layers[1]["kind"] == "max pooling"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("lenet5 --gradient features.0", 2, "name its file: edgecnn zoo lenet5 --gradient feat"),
        ("lenet5 resnet8 --gradient conv1 --plot x.png", 2, "takes one NAME, found 2"),
        ("--gradient conv1 --plot x.png", 2, "takes one NAME, found 0, as in: edgecnn zoo resn"),
        ("lenet5 --image x.png", 2, "--image is for a gradient: edgecnn zoo lenet5 --gradient"),
        ("lenet5 --gradient list --plot x.png", 2, "leave out --plot"),
        ("lenet5 --gradient feature.0 --plot x.png", 1, "did you mean features.0"),
        ("lenet5 --gradient features.1 --plot x.png", 1, "expected a convolution or a pooling"),
        ("lenet5 --gradient features.0 --plot x.jpeg", 1, "should end in one of"),
        ("lenet5 --gradient features.0 --plot x.png --image no.jpg", 1, "'no.jpg' cannot be op"),
        ("lenet5 --gradient features.0 --plot x.png --weights mnst", 1, "no weights called 'mn"),
        ("net.onnx --gradient features.0 --plot x.png", 1, "not .onnx files"),
    ],
)
def test_a_gradient_that_cannot_be_drawn_is_answered_in_a_sentence(
    edgecnn: Run, tmp_path: Path, words: str, code: int, says: str
) -> None:
    ran = edgecnn("zoo", *words.split())
    assert ran.returncode == code
    assert says in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []
