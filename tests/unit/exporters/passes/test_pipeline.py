"""Networks from both of PyTorch's exporters, and graphs by hand, through the whole pipeline."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
import torch
from torch import nn

from edgecnn.zoo.lenet5 import lenet5
from edgecnn.zoo.mobilenet_v2 import mobilenet_v2
from edgecnn_exporters.capture.pytorch_exporters import EXPORTERS, quiet
from edgecnn_exporters.capture.reference import compare_model, run_module, to_bytes
from edgecnn_exporters.capture.torch_export import job_of
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes import PassStage, canonicalise, find_non_finite
from edgecnn_exporters.passes.names import NameNodes, _join


class Litter(nn.Module):
    """Sizes computed at run time, scaled weights, a padded and a normalised conv, a mean of means.

    What exporters turn into chains of Shape, Gather, Concat and Constant.
    """

    def __init__(self) -> None:
        super().__init__()
        weight_norm = nn.utils.parametrizations.weight_norm
        self.stem = nn.Conv2d(3, 16, 3, padding=1, padding_mode="reflect")
        self.body = weight_norm(nn.Conv2d(16, 16, 7, padding=3))
        self.add = nn.Parameter(torch.ones(1, 16, 1, 1))
        self.classifier = nn.Linear(16 * 8 * 8, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(self.stem(x)) + self.add
        batch, channels, height, width = x.size()
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
        x = x.reshape(batch, channels, height, width)
        pooled = x.mean(3).mean(2)
        flat = x.view(x.size(0), channels, -1).flatten(1)
        return self.head(nn.functional.linear(flat, self.classifier.weight * 2) + pooled)


def five_blocks() -> nn.Module:
    """MobileNetV2 without the blocks behind the fifth, which are as those before them."""
    network = mobilenet_v2(width=0.5, classes=10)
    del network.features[6:]
    network.classifier[1] = nn.Linear(16, 10)
    return network


NETWORKS = {
    "mobilenet_v2": (
        five_blocks,
        (3, 32, 32),
        {"Conv": 15, "Clip": 10, "Add": 2, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1},
    ),
    "lenet5": (
        lenet5,
        (1, 28, 28),
        {"Conv": 2, "Sigmoid": 4, "MaxPool": 2, "Flatten": 1, "Gemm": 3},
    ),
    "litter": (
        Litter,
        (3, 8, 8),
        {
            **{"Pad": 1, "Conv": 2, "Add": 2, "Reshape": 2, "Transpose": 1},
            **{"GlobalAveragePool": 1, "Flatten": 2, "Gemm": 2},
        },
    ),
}


def trained(network: nn.Module) -> nn.Module:
    """Batch-norm statistics and biases as after training: nothing is 0 or 1."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        elif getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias)
    return network.eval()


def exported(name: str, exporter: str):  # type: ignore[no-untyped-def]
    make, shape, _ = NETWORKS[name]
    network = trained(make())
    feeds = np.random.default_rng(0).standard_normal((7, *shape)).astype(np.float32)
    reference = run_module(network, [feeds[:n] for n in (1, 2, 3, 7)])
    with quiet():
        return EXPORTERS[exporter](job_of(network, reference, None, 18)), reference


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """The same network from both exporters, in canonical form, and as they gave it."""
    found, given = {}, {}
    for exporter in EXPORTERS:
        model, reference = exported(request.param, exporter)
        with quiet():
            given[exporter] = to_bytes(model)
        found[exporter] = (model, canonicalise(model), reference)
    return request.param, found, given


def test_only_canonical_operators_are_left(pair) -> None:  # type: ignore[no-untyped-def]
    name, found, _ = pair
    for model, _, _ in found.values():
        assert Counter(node.op_type for node in model.graph) == NETWORKS[name][2]


def test_the_numbers_stay_at_every_batch(pair) -> None:  # type: ignore[no-untyped-def]
    for model, _, reference in pair[1].values():
        assert compare_model(to_bytes(model), reference).relative < 1e-5


def test_both_exporters_lead_to_the_same_names(pair) -> None:  # type: ignore[no-untyped-def]
    names = [
        sorted((str(node.name), str(node.outputs[0].name)) for node in model.graph)
        for model, _, _ in pair[1].values()
    ]
    assert names[0] == names[1]
    assert len({node for node, _ in names[0]}) == len(names[0])
    weights = [set(model.graph.initializers) for model, _, _ in pair[1].values()]
    assert weights[0] == weights[1]


def test_weights_are_called_as_in_the_state_dict(pair) -> None:  # type: ignore[no-untyped-def]
    name, found, _ = pair
    if name == "litter":
        pytest.skip("its weights are computed from others, which are gone")
    keys = set(NETWORKS[name][0]().state_dict())
    for model, _, _ in found.values():
        named = {w for w in model.graph.initializers if not w.startswith("relu6.")}
        assert {w for w in named if w.endswith(".weight")} <= keys


def test_the_batch_is_called_n_and_all_else_is_known(pair) -> None:  # type: ignore[no-untyped-def]
    for model, _, _ in pair[1].values():
        for node in model.graph:
            (value,) = node.outputs
            assert str(value.shape[0]) == "N", node.name
            assert all(isinstance(extent, int) for extent in list(value.shape)[1:])


def test_a_second_time_nothing_changes_and_the_checker_is_content(pair) -> None:  # type: ignore[no-untyped-def]
    for model, _, _ in pair[1].values():
        content = to_bytes(model)
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
        assert canonicalise(model).changed == ()
        assert to_bytes(model) == content


def test_no_path_of_this_machine_is_left(pair) -> None:  # type: ignore[no-untyped-def]
    for model, _, _ in pair[1].values():
        proto = onnx.load_from_string(to_bytes(model))
        # Three letters are somewhere in the bytes of millions of weights.
        del proto.graph.initializer[:]
        content = proto.SerializeToString()
        assert b"/site-packages/" not in content
        assert b".py" not in content


def test_the_same_model_becomes_the_same_bytes(pair) -> None:  # type: ignore[no-untyped-def]
    content = pair[2]["torchscript"]
    made = []
    for _ in range(2):
        model = ir.from_proto(onnx.load_from_string(content))
        canonicalise(model)
        made.append(to_bytes(model))
    assert made[0] == made[1]


def test_the_passes_that_changed_something_are_named_once_and_in_order() -> None:
    model = ir.from_proto(
        onnx.parser.parse_model(
            """<ir_version: 8, opset_import: ["": 18]>
            g (float[N, 3] x) => (float[N, 3] y)
            { zero = Constant <value = float {0.0}> () six = Constant <value = float {6.0}> ()
              a = Identity (x) b = Clip (a, zero, six) c = Dropout (b) y = Clip (c, zero, six) }"""
        )
    )
    changed = canonicalise(model).changed
    assert [node.op_type for node in model.graph] == ["Clip"]
    assert {"LiftConstants", "RemoveIdentity", "RemoveDropout", "CanonicaliseRelu6"} <= {*changed}
    assert len(set(changed)) == len(changed)


def test_passes_that_never_settle_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Restless(ir.passes.InPlacePass):
        def call(self, model: ir.Model) -> ir.passes.PassResult:
            return ir.passes.PassResult(model, modified=True)

    monkeypatch.setattr("edgecnn_exporters.passes.PIPELINE", (PassStage((Restless,), rounds=3),))
    model = ir.Model(ir.Graph([], [], nodes=[], opset_imports={"": 18}), ir_version=8)
    assert canonicalise(model).changed == ("Restless",)
    assert "not settled after 3 rounds: Restless" in caplog.text


def test_a_pass_that_fails_refuses_the_model_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fail(ir.passes.InPlacePass):
        def call(self, model: ir.Model) -> ir.passes.PassResult:
            raise IndexError("out of range")

    monkeypatch.setattr("edgecnn_exporters.passes.PIPELINE", (PassStage((Fail,)),))
    model = ir.Model(ir.Graph([], [], nodes=[], opset_imports={"": 18}), ir_version=8)
    with pytest.raises(UnsupportedModel, match=r"pass Fail fails on this graph: .*out of range"):
        canonicalise(model)


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        (["features", "features.3", "conv", "conv.1", "conv.1.0"], "features.3.conv.1.0"),
        (["classifier", "classifier.1"], "classifier.1"),
        (["layer1", "layer1.0", "conv1"], "layer1.0.conv1"),
        ([], ""),
    ],
)
def test_torchscript_scopes_are_joined(segments: list[str], path: str) -> None:
    assert _join(segments) == path


def test_a_graph_without_module_paths_keeps_its_names() -> None:
    model = ir.from_proto(
        onnx.parser.parse_model(
            """<ir_version: 8, opset_import: ["": 18]>
            g (float[N, 3] image) => (float[N, 3] answer)
            { [first] hidden = Relu (image) answer = Neg (hidden) }"""
        )
    )
    NameNodes()(model)
    nodes = list(model.graph)
    assert [node.name for node in nodes] == ["first", "neg"]
    assert [node.outputs[0].name for node in nodes] == ["hidden", "answer"]


def test_weights_that_are_not_finite_are_found_by_name() -> None:
    model = ir.from_proto(
        onnx.parser.parse_model(
            """<ir_version: 8, opset_import: ["": 18]>
            g (float[N, 3] x) => (float[N, 3] y) <float[1] good = {1.0}, float[1] bad = {2.0}>
            { a = Add (x, good) y = Add (a, bad) }"""
        )
    )
    assert find_non_finite(model) == []
    model.graph.initializers["bad"].const_value = ir.tensor(np.array([np.nan], np.float32))
    assert find_non_finite(model) == ["bad"]
    half = ir.Tensor(np.array([0x7FC0], np.uint16), dtype=ir.DataType.BFLOAT16)
    model.graph.initializers["bad"].const_value = half
    model.graph.initializers["bad"].dtype = ir.DataType.BFLOAT16
    assert find_non_finite(model) == ["bad"]


def test_an_infinite_bound_of_a_clip_is_no_fault() -> None:
    model = ir.from_proto(
        onnx.parser.parse_model(
            """<ir_version: 8, opset_import: ["": 18]>
            g (float[N, 3] x) => (float[N, 3] y) <float low = {0.0}, float high = {1.0}>
            { y = Clip (x, low, high) }"""
        )
    )
    model.graph.initializers["high"].const_value = ir.tensor(np.array(np.inf, np.float32))
    assert find_non_finite(model) == []


def test_infinity_is_a_mask_beside_a_sum_and_a_fault_in_a_weight() -> None:
    model = ir.from_proto(
        onnx.parser.parse_model(
            """<ir_version: 8, opset_import: ["": 18]>
            g (float[N, 1] x) => (float[N, 1] y) <float[1] mask = {1.0}, float[1, 1] bad = {2.0}>
            { a = Add (x, mask) y = MatMul (a, bad) }"""
        )
    )
    for name, shape in (("mask", (1,)), ("bad", (1, 1))):
        array = np.full(shape, -np.inf, np.float32)
        model.graph.initializers[name].const_value = ir.tensor(array)
    assert find_non_finite(model) == ["bad"]
