"""Exports are believed only when they agree with PyTorch; faults are planted to see that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn_exporters.bundle.requests import BATCHES, Request
from edgecnn_exporters.capture.examples import NAMES, example_batch, example_images
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.errors import CaptureFailed, InputMismatch, NonFiniteWeights
from edgecnn_exporters.export import export_module
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

FEEDS = np.random.default_rng(0).standard_normal((7, 3, 8, 8)).astype(np.float32)
UNIT = Preprocess("RGB", (8, 8), "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)


def net(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return nn.Sequential(nn.Conv2d(3, 4, 3), *middle, *head).eval()


def captured(network: nn.Module, batch: int | None = None):  # type: ignore[no-untyped-def]
    feeds = [FEEDS[:n] for n in BATCHES] if batch is None else [FEEDS[:batch]]
    return capture(network, run_module(network, feeds), batch=batch, opset=18)


class Doubled(nn.Module):
    """Twice its input, but only where an exporter looks."""

    def __init__(self, *exporters: str) -> None:
        super().__init__()
        self.exporters = exporters

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        dynamo = torch.compiler.is_exporting() and "dynamo" in self.exporters
        script = torch.jit.is_tracing() and "torchscript" in self.exporters
        return x * 2 if dynamo or script else x * 1


class FixedBatch(nn.Module):
    """Takes the batch that it was traced with for a constant."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(int(x.shape[0]), -1)[:, :4, None, None]


class Overflowing(nn.Module):
    """Squares until nothing finite is left."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (1e30 * x) ** 2


def test_a_network_that_answers_infinity_is_refused_before_any_exporter(tmp_path: Path) -> None:
    request = Request("net", TensorSpec("input", "float32", (None, 3, 8, 8)), UNIT)
    with pytest.raises(CaptureFailed, match="the network itself answers NaN or infinity"):
        export_module(net(Overflowing()), request, tmp_path / "net.edge", lambda stage: None)


def test_labels_are_counted_before_any_exporter(tmp_path: Path) -> None:
    spec, stages = TensorSpec("input", "float32", (None, 3, 8, 8)), list[str]()
    request = Request("net", spec, UNIT, labels=("cat", "dog", "owl"))
    with pytest.raises(CaptureFailed, match="net has 2 outputs but 3 labels"):
        export_module(net(), request, tmp_path / "net.edge", stages.append)
    assert stages == ["run the original"]


def test_a_sound_network_is_captured_by_dynamo() -> None:
    found = captured(net(nn.ReLU()))
    assert found.exporter == "dynamo"
    assert [a.outcome for a in found.attempts] == ["agrees with PyTorch"]


def test_when_dynamo_is_wrong_torchscript_is_kept_and_both_are_on_record() -> None:
    found = captured(net(Doubled("dynamo")))
    assert found.exporter == "torchscript"
    first, second = found.attempts
    assert first.exporter == "dynamo"
    assert first.outcome.startswith("differs by")
    assert second.outcome == "agrees with PyTorch"


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_batch_that_was_taken_for_a_constant_is_noticed() -> None:
    found = captured(net(nn.Flatten(), nn.Unflatten(1, (4, 6, 6)), nn.ReLU()))
    assert found.exporter in ("dynamo", "torchscript")


def test_when_both_are_wrong_the_first_node_that_differs_is_named() -> None:
    with pytest.raises(CaptureFailed) as raised:
        captured(net(nn.ReLU(), Doubled("dynamo", "torchscript"), nn.Sigmoid()))
    message = str(raised.value)
    assert "dynamo differs by" in message
    assert "torchscript differs by" in message
    assert "The first node that differs: 2 (Mul) at batch 1, after 1:" in message


def test_a_network_that_no_exporter_takes_is_explained() -> None:
    class Mute(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if torch.compiler.is_exporting() or torch.jit.is_tracing():
                raise RuntimeError("not today")
            return x

    with pytest.raises(
        CaptureFailed,
        match=r"dynamo failed: .*not today.*; torchscript failed: RuntimeError: not today",
    ):
        captured(net(Mute()))


def test_a_fixed_batch_is_captured_at_that_batch() -> None:
    found = captured(net(nn.ReLU()), batch=3)
    (value,) = found.model.graph.inputs
    assert list(value.shape) == [3, 3, 8, 8]


def test_a_network_that_returns_no_tensor_is_refused() -> None:
    class Text(nn.Module):
        def forward(self, x: torch.Tensor) -> str:
            return "cat"

    with pytest.raises(CaptureFailed, match="returns str, expected tensors"):
        captured(Text())


def test_a_network_that_does_not_fit_its_input_is_refused() -> None:
    with pytest.raises(CaptureFailed, match=r"does not run on an input of 1x3x8x8: RuntimeError"):
        captured(nn.Sequential(nn.Conv2d(1, 1, 3)))


def request(batch: int | None = None, preprocess: Preprocess | None = UNIT) -> Request:
    return Request("net", TensorSpec("input", "float32", (batch, 3, 8, 8)), preprocess)


def test_a_bundle_holds_what_pytorch_answered(tmp_path: Path) -> None:
    network = net(nn.BatchNorm2d(4), nn.ReLU6())
    stages: list[str] = []
    exported = export_module(network, request(), tmp_path / "net.edge", stages.append)
    assert stages == ["run the original", "capture", "optimise", "verify", "package"]
    assert dict(exported.operators) == {
        "Conv": 1,
        "Clip": 1,
        "GlobalAveragePool": 1,
        "Flatten": 1,
        "Gemm": 1,
    }
    with Bundle(tmp_path / "net.edge") as bundle:
        bundle.check()
        assert len(bundle.manifest.golden) == 3
        assert bundle.manifest.provenance["batches"] == [1, 2, 3, 7]
        for index in range(3):
            example = bundle.golden(index)
            with torch.no_grad():
                answer = network(torch.from_numpy(example.inputs["input"]))
            np.testing.assert_allclose(example.outputs["logits"], answer.numpy(), rtol=1e-5)
        assert bundle.labels() == ("class 0", "class 1")


def test_a_fixed_batch_has_golden_examples_of_that_batch(tmp_path: Path) -> None:
    export_module(net(), request(batch=2), tmp_path / "net.edge", lambda stage: None)
    with Bundle(tmp_path / "net.edge") as bundle:
        assert bundle.manifest.inputs[0].shape == (2, 3, 8, 8)
        assert bundle.golden(2).inputs["input"].shape == (2, 3, 8, 8)


def test_a_network_with_several_outputs_names_them(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            y = self.body(x)
            return y, y.sigmoid()

    exported = export_module(Two().eval(), request(), tmp_path / "n.edge", lambda stage: None)
    assert [spec.name for spec in exported.manifest.outputs] == ["output_0", "output_1"]
    assert exported.manifest.postprocess is None


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    network = net(nn.BatchNorm2d(4))
    network[1].running_var[2] = float("inf")
    with pytest.raises(NonFiniteWeights, match=r"weight 1\.running_var holds NaN or infinity"):
        export_module(network, request(), tmp_path / "net.edge", lambda stage: None)


def test_a_preprocessing_that_makes_another_shape_is_refused(tmp_path: Path) -> None:
    wrong = Preprocess("RGB", (9, 9), "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)
    with pytest.raises(InputMismatch, match="makes Nx3x9x9, the network reads input float32 Nx3x8"):
        export_module(net(), request(None, wrong), tmp_path / "net.edge", lambda stage: None)


def test_pictures_are_real_and_all_different() -> None:
    found = example_images(100)
    assert len({image.tobytes() for image in found}) == 100
    assert min(min(image.shape[:2]) for image in found[:32]) >= 150
    assert [image.shape for image in found[: len(NAMES)]] == [
        (300, 451, 3),
        (400, 600, 3),
        (427, 640, 3),
        (512, 512, 3),
    ]


@pytest.mark.parametrize("shape", [(None, 7, 5, 6), (None, 5, 6, 3), (None, 1, 5, 6)])
def test_a_network_of_any_channels_has_examples(shape: tuple[int | None, ...]) -> None:
    batch = example_batch(TensorSpec("x", "float32", shape), None, 3)
    assert batch.shape == (3, *shape[1:])
    assert batch.std() > 0.1
    assert np.abs(batch).max() <= 1


class Choosing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.mean() < 1e6 else x * 3


class Counting(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = (x > -1e6).nonzero()
        return x * 2 if found.shape[0] > 5 else x


@pytest.mark.parametrize(
    ("layer", "what"), [(Choosing(), "branches on them"), (Counting(), "number of elements")]
)
def test_a_branch_that_all_photographs_take_alike_is_refused_with_its_line(
    layer: nn.Module, what: str
) -> None:
    with pytest.raises(CaptureFailed) as raised:
        captured(net(layer))
    message = str(raised.value)
    assert what in message
    assert "test_torch_export.py:" in message
    assert " if " in message
    assert "torch.where" in message


def test_a_value_that_dynamo_keeps_as_a_tensor_is_exported() -> None:
    class Scaling(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * x.mean().item()

    assert captured(net(Scaling())).exporter == "dynamo"


def test_the_graph_of_a_failed_export_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CaptureFailed):
        captured(net(Choosing()))
    assert "def forward" not in capfd.readouterr().err


def test_a_pool_of_a_channels_last_tensor_is_exported_as_a_pool() -> None:
    class Turned(nn.Module):
        """Channels-last in memory, as a LayerNorm over channels leaves it."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)

    operators = {node.op_type for node in captured(net(Turned())).model.graph}
    assert not operators & {"Range", "Gather", "Shape"}


class Returning(nn.Module):
    """Returns what it is told to, of its input and the layers' answer."""

    def __init__(self, choose) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.body, self.choose = net(), choose
        self.priors = nn.Parameter(torch.arange(6.0).reshape(3, 2))

    def forward(self, x: torch.Tensor):  # type: ignore[no-untyped-def]
        return self.choose(self, x, self.body(x))


RETURNED = {
    "its input, one tensor twice, constants, and outputs without a batch": lambda n, x, y: (
        (x, y, y, x, n.priors, torch.tensor(2.0), y.mean(), y.mean(0), x.flatten(0, 1))
    ),
    "time first": lambda n, x, y: y.t(),
    "what it changes in place": lambda n, x, y: (y, x.mul_(2)),
}


@pytest.mark.parametrize("name", RETURNED)
def test_a_bundle_answers_whatever_a_network_returns(name: str, tmp_path: Path) -> None:
    network = Returning(RETURNED[name]).eval()
    export_module(network, request(), tmp_path / "n.edge", lambda stage: None)
    with Bundle(tmp_path / "n.edge") as bundle:
        bundle.check()
        assert bundle.manifest.inputs[0].name == "input"
        for index in range(3):
            example = bundle.golden(index)
            with torch.no_grad():
                expected = network(torch.from_numpy(example.inputs["input"].copy()))
            outputs = expected if isinstance(expected, tuple) else (expected,)
            for array, own in zip(example.outputs.values(), outputs, strict=True):
                np.testing.assert_allclose(array, own.numpy(force=True), rtol=1e-5)


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda n, x, y: y.bfloat16(), "output logits is bfloat16, expected one of"),
        (lambda n, x, y: (y, y.double()), "output output_1 is float64, expected one of"),
        (lambda n, x, y: y.mean(1).squeeze(), r"shape \(\) at batch 1 and \(2,\) at batch 2"),
        (lambda n, x, y: list(y), "returns 1 tensors at batch 1 and 2 at batch 2"),
    ],
)
def test_an_output_that_no_bundle_holds_is_named(choose, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CaptureFailed, match=words):
        export_module(Returning(choose).eval(), request(), tmp_path / "n.edge", lambda stage: None)


def test_an_attention_mask_of_minus_infinity_is_no_fault(tmp_path: Path) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()
            mask = torch.tensor([[0.0, float("-inf")], [0.0, 0.0]])
            self.register_buffer("mask", mask)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.body(x)
            return torch.softmax(y[:, None] + self.mask, -1).mean(1)

    network = Masked().eval()
    export_module(network, request(), tmp_path / "n.edge", lambda stage: None)
    network.mask[0, 0] = float("nan")
    with pytest.raises(NonFiniteWeights, match="weight mask holds NaN or infinity"):
        export_module(network, request(), tmp_path / "n.edge", lambda stage: None)


def test_the_module_of_the_caller_is_not_changed_and_notes_say_what_was(tmp_path: Path) -> None:
    network = net(nn.BatchNorm2d(4)).train().double()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    exported = export_module(network, request(), tmp_path / "n.edge", lambda stage: None)
    assert [note.partition(" (")[0] for note in exported.notes] == [
        "in training mode",
        "weights in float64: exported in float32",
    ]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert network.training


def test_a_forward_that_works_in_place_spoils_no_golden_input(tmp_path: Path) -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), *net()).eval()
    export_module(network, request(), tmp_path / "n.edge", lambda stage: None)
    feeds = request().feeds()
    signed = [feed - 0.5 for feed in feeds]
    run_module(network, signed)
    assert all((feed < 0).any() for feed in signed)
    assert not any(np.shares_memory(a, b) for a in feeds for b in feeds if a is not b)
